//! A journal that can be held, broken and counted, and a clock that stands still.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nova_actors::domain::Timestamp;
use nova_actors::domain::room::{ChatPage, RoomId};
use nova_actors::ports::Clock;
use nova_actors::ports::rooms::{JournalEntry, RoomJournal};
use nova_actors::{Error, Kind, Result};
use tokio::sync::Semaphore;

use super::lock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Fine,
    Refuses,
    /// Writes, but the answer gets lost.
    WritesAndFails,
    Panics,
}

pub(super) struct FakeJournal {
    entries: Mutex<Vec<JournalEntry>>,
    mood: Mutex<Mood>,
    pub(super) tail_fails: Mutex<bool>,
    pub(super) appends: AtomicUsize,
    pub(super) tails: AtomicUsize,
    gate: Semaphore,
}

impl FakeJournal {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            mood: Mutex::new(Mood::Fine),
            tail_fails: Mutex::default(),
            appends: AtomicUsize::new(0),
            tails: AtomicUsize::new(0),
            gate: Semaphore::new(1),
        })
    }

    pub(super) fn set(&self, mood: Mood) {
        *lock(&self.mood) = mood;
    }

    /// Appends wait while the answer lives.
    pub(super) async fn hold(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.gate.acquire().await.unwrap()
    }

    pub(super) fn seqs(&self) -> Vec<u64> {
        lock(&self.entries).iter().map(|entry| entry.event.seq).collect()
    }
}

#[async_trait]
impl RoomJournal for FakeJournal {
    async fn append(&self, entries: Vec<JournalEntry>) -> Result<()> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.acquire().await.unwrap();
        let mood = *lock(&self.mood);
        assert_ne!(mood, Mood::Panics, "on purpose");
        if mood == Mood::Refuses {
            return Err(Error::internal("the disk is full"));
        }
        lock(&self.entries).extend(entries);
        if mood == Mood::WritesAndFails {
            return Err(Error::new(Kind::Timeout, "no answer"));
        }
        Ok(())
    }

    async fn tail(&self, room: RoomId, count: u32, _: Timestamp) -> Result<Vec<JournalEntry>> {
        self.tails.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if *lock(&self.tail_fails) {
            return Err(Error::internal("the disk is gone"));
        }
        let entries = lock(&self.entries);
        let mut tail: Vec<_> = entries
            .iter()
            .rev()
            .filter(|entry| entry.room == room)
            .take(count as usize)
            .cloned()
            .collect();
        tail.reverse();
        Ok(tail)
    }

    async fn chat(&self, _: RoomId, _: Option<u64>, _: u32) -> Result<ChatPage> {
        Ok(ChatPage::default())
    }

    async fn trim(&self, _: Timestamp) -> Result<u64> {
        Ok(0)
    }
}

#[derive(Default)]
pub(super) struct FakeClock(AtomicI64);

impl FakeClock {
    pub(super) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
