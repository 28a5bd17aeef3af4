//! Rooms as running actors, under a paused clock.

mod calls;
mod life;
mod nodes;
mod room;

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::domain::{LiveStream, StreamId, User};
use crate::error::{Kind, Result};
use crate::streams::frame::ResumeKind;
use crate::testing::LiveWorld;

/// What a viewer's connection does, without a socket: reads its outbox, and joins again when it is lost.
struct Viewer {
    id: StreamId,
    sid: String,
    user: Option<User>,
    outbox: Outbox,
    epoch: String,
    seq: u64,
    /// Events as `seq`, or every `seq` of a skip or gap as `None` text.
    log: Vec<(u64, Option<String>)>,
    states: Vec<Value>,
    rejoins: usize,
    closed: Option<CloseReason>,
}

impl Viewer {
    async fn join(world: &LiveWorld, id: StreamId, user: Option<&User>) -> Result<Self> {
        Self::resume(world, id, user, None).await
    }

    async fn resume(
        world: &LiveWorld,
        id: StreamId,
        user: Option<&User>,
        resume: Option<(String, u64)>,
    ) -> Result<Self> {
        let (writer, outbox) = outbox();
        let sid = uuid::Uuid::new_v4().to_string();
        let request = JoinRequest {
            sid: sid.clone(),
            viewer: user.cloned(),
            resume,
            outbox: writer,
        };
        let joined = world.streams.join(id, request).await?;
        let mut viewer = Self {
            id,
            sid,
            user: user.cloned(),
            outbox,
            epoch: joined.epoch.clone(),
            seq: 0,
            log: Vec::new(),
            states: Vec::new(),
            rejoins: 0,
            closed: None,
        };
        viewer.replay(joined);
        Ok(viewer)
    }

    fn replay(&mut self, joined: Joined) {
        if let Some(missed) = joined.missed {
            self.log.extend((missed.from..=missed.to).map(|seq| (seq, None)));
        }
        for frame in joined.replay {
            self.read(&frame.frame);
        }
        self.seq = joined.seq;
    }

    fn read(&mut self, frame: &frame::Frame) {
        let frame: Value = serde_json::from_slice(frame.bytes()).unwrap();
        let first = frame["seq"][0].as_u64().unwrap();
        for (seq, event) in (first..).zip(frame["ev"].as_array().unwrap()) {
            let body = &event[1];
            let text = ["x", "state", "title"]
                .iter()
                .find_map(|field| body[*field].as_str())
                .unwrap();
            self.log.push((seq, Some(text.to_owned())));
            self.seq = seq;
        }
    }

    fn take(&mut self) -> Option<End> {
        let taken = self.outbox.take();
        for item in taken.log {
            match item {
                LogItem::Frame(log) => self.read(&log.frame),
                LogItem::Skip(missed) => {
                    self.log.extend((missed.from..=missed.to).map(|seq| (seq, None)));
                    self.seq = missed.to;
                }
            }
        }
        let state = taken.state.map(|s| serde_json::from_slice(s.bytes()).unwrap());
        self.states.extend(state);
        taken.end
    }

    /// Reads until `done`, joining again whenever the room is lost.
    async fn until(&mut self, world: &LiveWorld, done: impl Fn(&Self) -> bool) {
        timeout(Duration::from_secs(60), async {
            loop {
                match self.take() {
                    Some(End::Lost) => self.rejoin(world).await,
                    Some(End::Closed(reason)) => self.closed = Some(reason),
                    None => {}
                }
                if done(self) {
                    return;
                }
                let _ = timeout(Duration::from_millis(100), self.outbox.ready()).await;
            }
        })
        .await
        .expect("seen in time");
    }

    async fn rejoin(&mut self, world: &LiveWorld) {
        self.rejoins += 1;
        loop {
            let (writer, reader) = outbox();
            let request = JoinRequest {
                sid: self.sid.clone(),
                viewer: self.user.clone(),
                resume: Some((self.epoch.clone(), self.seq)),
                outbox: writer,
            };
            match world.streams.join(self.id, request).await {
                Ok(joined) => {
                    assert_ne!(joined.resume, ResumeKind::Fresh);
                    self.outbox = reader;
                    return self.replay(joined);
                }
                Err(error) if error.retryable() => sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("cannot join again: {error}"),
            }
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.log.iter().filter_map(|(_, text)| text.as_deref()).collect()
    }

    fn assert_gapless(&self) {
        let seqs: Vec<u64> = self.log.iter().map(|(seq, _)| *seq).collect();
        let first = seqs.first().copied().unwrap_or(1);
        let expected: Vec<u64> = (first..).take(seqs.len()).collect();
        assert_eq!(seqs, expected, "each event once, in order");
    }
}

async fn world() -> LiveWorld {
    LiveWorld::start(StreamSettings::default()).await.unwrap()
}

async fn live(world: &LiveWorld) -> (User, LiveStream) {
    let owner = world.store.add_user("owner");
    let stream = world.go_live(&owner).await.unwrap();
    (owner, stream)
}

async fn say(world: &LiveWorld, id: StreamId, user: &User, text: &str) -> Result<Said> {
    let chat = ChatRequest {
        viewer: user.clone(),
        key: None,
        text: text.into(),
    };
    world.streams.say(id, chat).await
}

/// Waits, on the paused clock, until something holds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> Kind {
    outcome.expect_err("an error").kind().clone()
}
