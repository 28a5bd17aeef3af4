//! People who go on with what they do while actors are killed: they watch, talk, write and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::{Answer, Api, Event, Heard, Person, Viewer, pace};

/// Whether a refusal asks to come again, properly.
pub(super) fn says_later(answer: &Answer) -> bool {
    match answer.status {
        503 => answer.problem_says_later(503),
        504 => answer.problem_says_later(504),
        409 => answer.problem_says_later(409),
        _ => false,
    }
}

/// An acknowledged message.
pub(super) struct Said {
    pub(super) m: Value,
    pub(super) seq: u64,
    pub(super) text: Value,
}

/// What one viewer heard, over all its connections.
pub(super) struct Watched {
    pub(super) joined_at: u64,
    pub(super) events: Vec<Event>,
    /// How its connections ended.
    pub(super) closed: Vec<Option<u16>>,
}

pub(super) struct RoomLoad {
    pub(super) said: Vec<Said>,
    pub(super) watched: Vec<Watched>,
}

pub(super) struct Done {
    pub(super) rooms: Vec<RoomLoad>,
    pub(super) author: String,
    pub(super) posted: Vec<String>,
}

struct Room {
    talking: JoinSet<Vec<Said>>,
    watching: JoinSet<Watched>,
    said: Arc<AtomicU64>,
    until: watch::Sender<Option<u64>>,
}

pub(super) struct Load {
    rooms: Vec<Room>,
    author: String,
    posting: JoinSet<Vec<String>>,
    reading: JoinSet<()>,
    stop: CancellationToken,
}

impl Load {
    pub(super) async fn start(api: &Api, streams: &[String]) -> Self {
        let stop = CancellationToken::new();
        let mut rooms = Vec::new();
        for (n, stream) in streams.iter().enumerate() {
            let said = Arc::new(AtomicU64::new(0));
            let (until, told) = watch::channel(None);
            let (mut talking, mut watching) = (JoinSet::new(), JoinSet::new());
            for k in 0..2 {
                let name = format!("talker{n}_{k}");
                let seat = Seat::new(api, stream, Some(api.person(&name).await.token));
                talking.spawn(talk(name, seat, stop.clone(), Arc::clone(&said)));
            }
            for k in 0..3 {
                let viewer = api.person(&format!("viewer{n}_{k}")).await;
                let token = (k > 0).then_some(viewer.token);
                let mut seat = Seat::new(api, stream, token);
                seat.connected().await;
                watching.spawn(watch_room(seat, told.clone()));
            }
            rooms.push(Room {
                talking,
                watching,
                said,
                until,
            });
        }
        let (author, reader) = (api.person("writes").await, api.person("reads").await);
        reader.follow(&author).await;
        let (mut posting, mut reading) = (JoinSet::new(), JoinSet::new());
        let id = author.id.clone();
        posting.spawn(write(author, stop.clone()));
        reading.spawn(read(reader, streams[0].clone(), stop.clone()));
        Self {
            rooms,
            author: id,
            posting,
            reading,
            stop,
        }
    }

    /// How much was said in each room up to now.
    pub(super) fn said(&self) -> Vec<u64> {
        self.rooms
            .iter()
            .map(|room| room.said.load(Ordering::Relaxed))
            .collect()
    }

    /// Lets everyone finish; viewers listen until they have heard everything.
    pub(super) async fn finish(self) -> Done {
        self.stop.cancel();
        self.reading.join_all().await;
        let posted = self.posting.join_all().await.concat();
        let mut rooms = Vec::new();
        for room in self.rooms {
            let said: Vec<Said> = room.talking.join_all().await.into_iter().flatten().collect();
            let newest = said.iter().map(|said| said.seq).max();
            room.until.send_replace(newest);
            let watched = room.watching.join_all().await;
            rooms.push(RoomLoad { said, watched });
        }
        Done {
            rooms,
            author: self.author,
            posted,
        }
    }
}

/// A place in a room that is taken again when it is lost, without missing anything.
struct Seat {
    api: Api,
    stream: String,
    token: Option<String>,
    position: Option<(String, u64)>,
    joined_at: u64,
    events: Vec<Event>,
    closed: Vec<Option<u16>>,
    viewer: Option<Viewer>,
}

impl Seat {
    fn new(api: &Api, stream: &str, token: Option<String>) -> Self {
        Self {
            api: api.clone(),
            stream: stream.to_owned(),
            token,
            position: None,
            joined_at: 0,
            events: Vec::new(),
            closed: Vec::new(),
            viewer: None,
        }
    }

    /// The connection; a lost one is replaced, and must go on where it was.
    async fn connected(&mut self) -> &mut Viewer {
        let mut attempts = pace();
        while self.viewer.is_none() {
            attempts.tick().await;
            let Ok(mut viewer) = Viewer::try_connect(&self.api, &self.stream).await else {
                continue;
            };
            let resume = self.position.as_ref().map(|(epoch, seq)| (epoch.as_str(), *seq));
            match viewer.try_hello(self.token.as_deref(), resume).await {
                Heard::Frame(welcome) => {
                    if self.position.is_none() {
                        self.joined_at = viewer.seq;
                        self.position = Some((viewer.epoch(), viewer.seq));
                    } else {
                        assert_eq!(welcome["resume"], "ok", "{:?}: {welcome}", self.position);
                    }
                    self.viewer = Some(viewer);
                }
                Heard::Closed(code) => self.lost(code),
            }
        }
        self.viewer.as_mut().expect("connected")
    }

    /// A connection may end only in a way that asks to come back.
    fn lost(&mut self, code: Option<u16>) {
        let comes_back = code.is_some_and(|code| (4001..4100).contains(&code));
        assert!(comes_back, "{} was closed with {code:?}", self.stream);
        self.closed.push(code);
        if let (Some(mut viewer), Some((_, seq))) = (self.viewer.take(), &mut self.position) {
            assert_eq!(viewer.skipped, 0, "nobody was slow");
            *seq = viewer.seq;
            self.events.append(&mut viewer.events);
        }
    }

    fn seq(&self) -> u64 {
        self.viewer.as_ref().map_or(0, |viewer| viewer.seq)
    }
}

async fn watch_room(mut seat: Seat, mut until: watch::Receiver<Option<u64>>) -> Watched {
    loop {
        if until.borrow().is_some_and(|newest| seat.seq() >= newest) {
            break;
        }
        let viewer = seat.connected().await;
        let heard = tokio::select! {
            heard = viewer.hear() => heard,
            _ = until.changed() => continue,
        };
        if let Heard::Closed(code) = heard {
            seat.lost(code);
        }
    }
    if let Some(mut viewer) = seat.viewer.take() {
        seat.events.append(&mut viewer.events);
    }
    seat.events.retain(|event| event.name == "chat");
    Watched {
        joined_at: seat.joined_at,
        events: seat.events,
        closed: seat.closed,
    }
}

/// Says one thing after the other, each until it is acknowledged.
async fn talk(name: String, mut seat: Seat, stop: CancellationToken, count: Arc<AtomicU64>) -> Vec<Said> {
    let mut said = Vec::new();
    let mut turns = pace();
    while !stop.is_cancelled() {
        let key = format!("key-{}", said.len());
        let text = format!("{key} of {name}");
        let (m, seq) = loop {
            turns.tick().await;
            let request = json!({ "op": "chat", "key": key, "x": text });
            match seat.connected().await.try_request(request).await {
                Heard::Frame(answer) if answer["op"] == "ok" => {
                    break (answer["m"].clone(), answer["seq"].as_u64().unwrap());
                }
                Heard::Frame(answer) => assert_eq!(answer["temp"], true, "{answer}"),
                Heard::Closed(code) => seat.lost(code),
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        let text = text.into();
        said.push(Said { m, seq, text });
    }
    said
}

/// Writes one post after the other, each until it is acknowledged.
async fn write(author: Person, stop: CancellationToken) -> Vec<String> {
    let mut posted = Vec::new();
    let mut turns = pace();
    while !stop.is_cancelled() {
        let text = format!("Number {}", posted.len());
        loop {
            turns.tick().await;
            let call = author
                .post("/posts")
                .idempotency(&format!("key-{}", posted.len()));
            let answer = call.json(&json!({ "text": text })).send().await;
            if answer.status == 201 {
                break;
            }
            assert!(says_later(&answer), "{answer:?}");
        }
        posted.push(text);
    }
    posted
}

/// Reads everything that can be read; a refusal may only be "later".
async fn read(reader: Person, stream: String, stop: CancellationToken) {
    let mut turns = pace();
    while !stop.is_cancelled() {
        for path in ["/feed", "/streams", "/users/me", &format!("/streams/{stream}")] {
            turns.tick().await;
            let answer = reader.get(path).send().await;
            assert!(answer.status == 200 || says_later(&answer), "{path}: {answer:?}");
        }
    }
}
