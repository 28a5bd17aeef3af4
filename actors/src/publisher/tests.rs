//! The relay against a store and a log that fail on demand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::*;
use crate::domain::change::Change;
use crate::domain::record::{Headers, Position, Record};
use crate::domain::{LiveStream, StreamId, Timestamp, TraceParent};
use crate::error::{Error, Result};
use crate::ports::log::{EventSink, TopicSpec};
use crate::ports::store::{OutboxRow, PendingChanges};
use crate::runtime::{Address, Root};
use crate::testing::ManualClock;

#[derive(Default)]
struct Owed {
    rows: Mutex<BTreeMap<i64, Record>>,
    delete_failures: AtomicUsize,
    oldest: Option<Timestamp>,
}

impl Owed {
    fn commit(&self, count: i64) {
        let mut rows = self.rows.lock().unwrap();
        let from = rows.last_key_value().map_or(0, |(id, _)| *id) + 1;
        rows.extend((from..from + count).map(|id| (id, record(id))));
    }
}

fn record(id: i64) -> Record {
    Record {
        topic: "streams".into(),
        key: Bytes::from("k"),
        value: Some(Bytes::from(id.to_string())),
        headers: Headers::new("stream.started", TraceParent::root()),
        at: Timestamp::from_millis(0),
    }
}

#[async_trait]
impl PendingChanges for Owed {
    async fn lead(&self) -> Result<bool> {
        Ok(true)
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>> {
        let rows = self.rows.lock().unwrap();
        let row = |(id, record): (&i64, &Record)| OutboxRow {
            id: *id,
            record: record.clone(),
        };
        Ok(rows.iter().take(limit as usize).map(row).collect())
    }

    async fn changes(&self, _: u32) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    async fn delete_sent(&self, outbox: &[i64], _: &[i64]) -> Result<()> {
        if self.delete_failures.load(Ordering::Relaxed) > 0 {
            self.delete_failures.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::unavailable("store"));
        }
        self.rows.lock().unwrap().retain(|id, _| !outbox.contains(id));
        Ok(())
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        Ok(self.oldest)
    }

    async fn expire_idempotency(&self, _: Timestamp, _: Duration) -> Result<u64> {
        Ok(0)
    }

    async fn running(&self, _: Option<StreamId>, _: u32) -> Result<Vec<LiveStream>> {
        Ok(Vec::new())
    }
}

#[derive(Default)]
struct Log {
    records: Mutex<Vec<Record>>,
    down: AtomicBool,
    slow: AtomicBool,
    attempts: AtomicUsize,
}

#[async_trait]
impl EventSink for Log {
    async fn ensure_topics(&self, _: &[TopicSpec]) -> Result<()> {
        Ok(())
    }

    async fn append(&self, records: Vec<Record>) -> Result<Vec<Position>> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return Err(Error::unavailable("log"));
        }
        if self.slow.load(Ordering::Relaxed) {
            sleep(Duration::from_secs(1)).await;
        }
        self.records.lock().unwrap().extend(records);
        Ok(Vec::new())
    }
}

impl Log {
    fn values(&self) -> Vec<i64> {
        let text = |r: &Record| String::from_utf8(r.value.clone().unwrap().to_vec()).unwrap();
        self.records
            .lock()
            .unwrap()
            .iter()
            .map(|r| text(r).parse().unwrap())
            .collect()
    }
}

async fn relay(store: &Arc<Owed>, log: &Arc<Log>) -> (RelayHandle, Root) {
    let woken = Arc::new(AtomicBool::new(false));
    let args = RelayArgs {
        store: Arc::clone(store) as Arc<dyn PendingChanges>,
        log: Arc::clone(log) as Arc<dyn EventSink>,
        clock: Arc::new(ManualClock::starting_at(Timestamp::from_millis(0))),
        settings: RelaySettings {
            batch: 10,
            ..RelaySettings::default()
        },
        woken: Arc::clone(&woken),
    };
    let address = Address::vacant("relay", "relay", 16);
    let root = Root::start_actor::<Relay>(&address, args).await.unwrap();
    (RelayHandle::new(address, woken), root)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_sends_everything_in_order_and_forgets_it() {
    let (store, log) = (Arc::new(Owed::default()), Arc::new(Log::default()));
    let (relay, _root) = relay(&store, &log).await;
    store.commit(35);
    relay.wake();
    until("sent", || store.rows.lock().unwrap().is_empty()).await;
    assert_eq!(log.values(), (1..=35).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn rows_whose_wake_got_lost_are_found_by_the_poll() {
    let (store, log) = (Arc::new(Owed::default()), Arc::new(Log::default()));
    let (_relay, _root) = relay(&store, &log).await;
    sleep(Duration::from_millis(100)).await;
    store.commit(1);
    until("polled", || store.rows.lock().unwrap().is_empty()).await;
    assert_eq!(log.values(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_away_costs_growing_pauses_and_no_row() {
    let (store, log) = (Arc::new(Owed::default()), Arc::new(Log::default()));
    log.down.store(true, Ordering::Relaxed);
    let (relay, _root) = relay(&store, &log).await;
    store.commit(3);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        relay.wake();
        sleep(Duration::from_millis(10)).await;
    }
    let attempts = log.attempts.load(Ordering::Relaxed);
    assert!(
        (5..40).contains(&attempts),
        "{attempts} attempts in a minute of wakes"
    );
    log.down.store(false, Ordering::Relaxed);
    until("sent", || store.rows.lock().unwrap().is_empty()).await;
    assert_eq!(log.values(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_append_and_delete_repeats_the_same_event_ids() {
    let (store, log) = (Arc::new(Owed::default()), Arc::new(Log::default()));
    store.delete_failures.store(1, Ordering::Relaxed);
    store.commit(2);
    let (_relay, _root) = relay(&store, &log).await;
    until("sent", || store.rows.lock().unwrap().is_empty()).await;
    let records = log.records.lock().unwrap();
    assert_eq!(records.len(), 4);
    assert_eq!(records[0].headers.event_id, records[2].headers.event_id);
    assert_eq!(records[1].headers.event_id, records[3].headers.event_id);
}

#[tokio::test(start_paused = true)]
async fn an_ordered_stop_sends_what_is_owed() {
    let (store, log) = (Arc::new(Owed::default()), Arc::new(Log::default()));
    let (_relay, root) = relay(&store, &log).await;
    store.commit(4);
    assert!(root.drain(Duration::from_secs(5)).await);
    assert_eq!(log.values(), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_ordered_stop_lets_the_batch_in_flight_finish_and_repeats_nothing() {
    let (store, log) = (Arc::new(Owed::default()), Arc::new(Log::default()));
    log.slow.store(true, Ordering::Relaxed);
    store.commit(4);
    let (_relay, root) = relay(&store, &log).await;
    until("appending", || log.attempts.load(Ordering::Relaxed) == 1).await;
    assert!(root.drain(Duration::from_secs(5)).await);
    assert_eq!(log.values(), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_what_is_owed_is_known_while_the_log_is_away() {
    let store = Arc::new(Owed {
        oldest: Some(Timestamp::from_millis(0)),
        ..Owed::default()
    });
    let log = Arc::new(Log::default());
    log.down.store(true, Ordering::Relaxed);
    store.commit(1);
    let (_relay, root) = relay(&store, &log).await;
    sleep(Duration::from_millis(30_500)).await;
    let node = root.tree().describe().await.remove(0);
    assert_eq!(node.snapshot["oldest_s"], 30);
}
