//! A room as one client knows it: what it said, what it heard, and from where it goes on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Api, Event, Heard, Person, Viewer};

/// The program is gone.
#[derive(Debug)]
pub(super) struct Lost;

/// An acknowledged message.
#[derive(Debug)]
pub(super) struct Said {
    m: String,
    seq: u64,
    text: String,
}

pub(super) struct Room {
    pub(super) stream: String,
    said: Vec<Said>,
    heard: Vec<Event>,
    /// Epoch, and the newest sequence number that was heard.
    position: Option<(String, u64)>,
    /// Sequence number at which this client came for the first time.
    joined_at: u64,
    socket: Option<Viewer>,
}

impl Room {
    pub(super) const fn new(stream: String) -> Self {
        Self {
            stream,
            said: Vec::new(),
            heard: Vec::new(),
            position: None,
            joined_at: 0,
            socket: None,
        }
    }

    /// Connects where it is not connected. Coming back must go on exactly where it broke off.
    pub(super) async fn connect(&mut self, api: &Api, person: &Person) -> Result<&mut Viewer, Lost> {
        if self.socket.is_none() {
            let mut viewer = Viewer::try_connect(api, &self.stream).await.map_err(|_| Lost)?;
            let resume = self.position.as_ref().map(|(epoch, seq)| (epoch.as_str(), *seq));
            let welcome = match viewer.try_hello(Some(&person.token), resume).await {
                Heard::Frame(welcome) => welcome,
                Heard::Closed(None) => return Err(Lost),
                Heard::Closed(Some(code)) => panic!("{} closed with {code}", self.stream),
            };
            if let Some((epoch, _)) = &self.position {
                assert_eq!(welcome["resume"], "ok", "{:?}: {welcome}", self.position);
                assert_eq!(welcome["epoch"], epoch.as_str(), "{welcome}");
            } else {
                self.joined_at = viewer.seq;
                self.position = Some((viewer.epoch(), viewer.seq));
            }
            self.socket = Some(viewer);
        }
        self.socket.as_mut().ok_or(Lost)
    }

    /// Says something; done when it is acknowledged.
    pub(super) async fn say(
        &mut self,
        api: &Api,
        person: &Person,
        key: &str,
        text: &str,
    ) -> Result<(), Lost> {
        let viewer = self.connect(api, person).await?;
        let request = serde_json::json!({ "op": "chat", "key": key, "x": text });
        let answer = match viewer.try_request(request).await {
            Heard::Frame(answer) => answer,
            Heard::Closed(None) => return Err(Lost),
            Heard::Closed(Some(code)) => panic!("{} closed with {code}", self.stream),
        };
        assert_eq!(answer["op"], "ok", "{answer}");
        self.said.push(Said {
            m: answer["m"].as_str().unwrap().to_owned(),
            seq: answer["seq"].as_u64().unwrap(),
            text: text.to_owned(),
        });
        Ok(())
    }

    /// Listens until nothing is missing that was sequenced before the last connect.
    pub(super) async fn catch_up(&mut self) {
        let viewer = self.socket.as_mut().expect("connected");
        let newest = viewer.welcome["seq"].as_u64().unwrap();
        viewer.until_seq(newest).await;
        self.note();
    }

    /// Remembers what was heard on a connection that broke.
    pub(super) fn disconnect(&mut self) {
        self.note();
        self.socket = None;
    }

    fn note(&mut self) {
        if let (Some(viewer), Some((_, seq))) = (&mut self.socket, &mut self.position) {
            self.heard.append(&mut viewer.events);
            *seq = viewer.seq;
            assert_eq!(viewer.skipped, 0, "nobody was slow in {}", self.stream);
        }
    }
}

/// A room's history against what several clients said and heard there.
pub(super) fn check(history: &[Value], rooms: &[&Room]) {
    let seq = |message: &Value| message["seq"].as_u64().unwrap();
    let by_seq: BTreeMap<u64, &Value> = history.iter().map(|message| (seq(message), message)).collect();
    assert!(history.is_sorted_by_key(seq), "not in order: {history:?}");
    let distinct = |field: &str| {
        history
            .iter()
            .map(|m| m[field].to_string())
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(by_seq.len(), history.len(), "a sequence number twice");
    assert_eq!(distinct("m"), history.len(), "a message id twice");
    // Every text is sent once, or again with its key.
    assert_eq!(distinct("x"), history.len(), "a message twice");
    for room in rooms {
        for said in &room.said {
            let kept = by_seq
                .get(&said.seq)
                .unwrap_or_else(|| panic!("{said:?} was acknowledged and is lost"));
            assert_eq!(
                (&kept["m"], &kept["x"]),
                (&said.m.as_str().into(), &said.text.as_str().into())
            );
        }
        let mut heard = BTreeMap::new();
        for event in room.heard.iter().filter(|event| event.name == "chat") {
            let kept = by_seq.get(&event.seq);
            let kept = kept.unwrap_or_else(|| panic!("{event:?} was heard and is lost"));
            assert_eq!((&kept["m"], &kept["x"]), (&event.body["m"], &event.body["x"]));
            let earlier = heard.insert(event.seq, event);
            assert!(earlier.is_none(), "heard twice: {event:?}");
        }
        let Some((_, newest)) = &room.position else {
            continue;
        };
        let since = |seq: &&u64| (room.joined_at + 1..=*newest).contains(*seq);
        for seq in by_seq.keys().filter(since) {
            assert!(
                heard.contains_key(seq),
                "{seq} was never heard in {}",
                room.stream
            );
        }
    }
}
