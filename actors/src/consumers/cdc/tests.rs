//! The consumer against a log and a sink that fail on demand, under a paused clock.

mod lag;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::*;
use crate::domain::change::{CapturedTable, Change, ChangeOp};
use crate::domain::record::{Position, Record, StoredRecord};
use crate::domain::{EventId, PostId, Timestamp, TraceParent, UserId};
use crate::error::{Error, Kind, Result};
use crate::ports::analytics::{AnalyticsSink, Batch, Claim, RowState};
use crate::ports::log::{EventSource, Membership, PartitionBounds};
use crate::runtime::{ChildSpec, GroupSpec, Root};
use crate::testing::ManualClock;

/// One partition per topic.
struct Log {
    records: Mutex<BTreeMap<String, Vec<Record>>>,
    appended: watch::Sender<u64>,
    /// Questions after the bounds hang; how many do right now.
    hangs: AtomicBool,
    hanging: AtomicUsize,
}

impl Log {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            records: Mutex::default(),
            appended: watch::channel(0).0,
            hangs: AtomicBool::new(false),
            hanging: AtomicUsize::new(0),
        })
    }

    fn append(&self, record: Record) {
        self.records
            .lock()
            .unwrap()
            .entry(record.topic.to_string())
            .or_default()
            .push(record);
        self.appended.send_modify(|n| *n += 1);
    }
}

#[async_trait]
impl EventSource for Log {
    async fn bounds(&self, topic: &str) -> Result<Vec<PartitionBounds>> {
        if self.hangs.load(Ordering::Relaxed) {
            let _counted = Hanging::new(&self.hanging);
            std::future::pending::<()>().await;
        }
        let records = self.records.lock().unwrap();
        Ok(vec![PartitionBounds {
            partition: 0,
            earliest: 0,
            end: records.get(topic).map_or(0, Vec::len) as u64,
        }])
    }

    async fn fetch(&self, topic: &str, partition: u16, from: u64, max: u32) -> Result<Vec<StoredRecord>> {
        let records = self.records.lock().unwrap();
        let all = records.get(topic).map(Vec::as_slice).unwrap_or_default();
        let stored = |(offset, record): (usize, &Record)| StoredRecord {
            position: Position {
                partition,
                offset: offset as u64,
            },
            record: record.clone(),
        };
        Ok(all
            .iter()
            .enumerate()
            .skip(usize::try_from(from).unwrap())
            // Fewer than asked for, as a log does that bounds an answer's bytes.
            .take((max as usize).min(7))
            .map(stored)
            .collect())
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    async fn commit(&self, _: &str, _: &str, _: u16, _: u64) -> Result<()> {
        Ok(())
    }

    async fn committed(&self, _: &str, _: &str) -> Result<Vec<(u16, u64)>> {
        Ok(Vec::new())
    }

    async fn join(&self, _: &str, topics: &[&str]) -> Result<Membership> {
        let all = topics.iter().map(|topic| ((*topic).to_owned(), 0));
        Ok(Membership::alone(all.collect()))
    }
}

struct Hanging<'a>(&'a AtomicUsize);

impl<'a> Hanging<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps the ledger's rules in memory.
#[derive(Default)]
struct Sink {
    ledger: Mutex<BTreeMap<String, (u64, u64)>>,
    batches: Mutex<Vec<Batch>>,
    down: AtomicBool,
    attempts: AtomicUsize,
    claims: AtomicU64,
    /// An author whose posts are refused.
    refused: Mutex<Option<UserId>>,
}

#[async_trait]
impl AnalyticsSink for Sink {
    async fn claim(&self, _: &str, topic: &str, _: u16, _: &str) -> Result<Claim> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        let mut ledger = self.ledger.lock().unwrap();
        let place = ledger.entry(topic.to_owned()).or_default();
        place.0 += 1;
        Ok(Claim {
            pending: None,
            epoch: place.0,
            next_offset: place.1,
        })
    }

    async fn apply(&self, batch: &Batch) -> Result<()> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return Err(Error::unavailable("analytics"));
        }
        let refused = self.refused.lock().unwrap().map(|author| json!(author));
        let bad = |row: &RowState| refused.as_ref() == Some(&row.row["author_id"]);
        if let Some(index) = batch.rows.iter().position(bad) {
            return Err(Error::field(format!("rows[{index}].author_id"), "another author"));
        }
        let mut ledger = self.ledger.lock().unwrap();
        let place = ledger.get_mut(&batch.topic).unwrap();
        if *place != (batch.epoch, batch.first) {
            return Err(Error::new(Kind::Fenced, "a newer owner has the partition"));
        }
        place.1 = batch.next;
        self.batches.lock().unwrap().push(batch.clone());
        Ok(())
    }
}

impl Sink {
    fn landed(&self) -> u64 {
        self.batches
            .lock()
            .unwrap()
            .iter()
            .map(|b| b.outcomes.landed)
            .sum()
    }
}

#[derive(Default)]
struct Authors(Mutex<Vec<UserId>>);

impl Landed for Authors {
    fn posts_by(&self, authors: Vec<UserId>) {
        self.0.lock().unwrap().extend(authors);
    }
}

struct World {
    log: Arc<Log>,
    sink: Arc<Sink>,
    authors: Arc<Authors>,
    root: Root,
}

async fn world() -> World {
    let (log, sink, authors) = (
        Log::new(),
        Arc::new(Sink::default()),
        Arc::new(Authors::default()),
    );
    let args = CdcArgs {
        log: Arc::clone(&log) as Arc<dyn EventSource>,
        sink: Arc::clone(&sink) as Arc<dyn AnalyticsSink>,
        landed: Arc::clone(&authors) as Arc<dyn Landed>,
        clock: Arc::new(ManualClock::starting_at(Timestamp::from_millis(0))),
        owner: "test".into(),
        settings: CdcSettings {
            batch: 10,
            poll: Duration::from_secs(3_600),
            ..CdcSettings::default()
        },
    };
    let address = CdcHandle::vacant("consumer", "cdc", 16);
    let spec = GroupSpec::new("root").child::<CdcConsumer>(&address, ChildSpec::permanent("cdc"), args);
    let root = Root::start(spec).await.unwrap();
    World {
        log,
        sink,
        authors,
        root,
    }
}

fn post(author: UserId, position: i64) -> Record {
    let id = PostId::new();
    Change {
        id: position,
        event_id: EventId::new(),
        table: CapturedTable::Posts,
        op: ChangeOp::Create,
        key: json!({ "id": id }),
        before: None,
        after: Some(json!({ "id": id, "author_id": author, "created_at": 5, "deleted_at": null })),
        at: Timestamp::from_millis(5),
        traceparent: TraceParent::root(),
    }
    .record()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_wakes_the_consumer_and_everything_lands_once_in_order() {
    let world = world().await;
    until("claimed", || world.sink.claims.load(Ordering::Relaxed) == 5).await;
    let author = UserId::new();
    for n in 0..35 {
        world.log.append(post(author, n));
    }
    until("landed", || world.sink.landed() == 35).await;
    let batches = world.sink.batches.lock().unwrap();
    let ranges: Vec<_> = batches.iter().map(|b| (b.first, b.next)).collect();
    assert!(
        ranges.windows(2).all(|w| w[0].1 == w[1].0),
        "no gap and no overlap: {ranges:?}"
    );
    assert!(world.authors.0.lock().unwrap().contains(&author));
}

#[tokio::test(start_paused = true)]
async fn quiet_partitions_move_the_watermark_at_every_poll() {
    let world = world().await;
    world.log.append(post(UserId::new(), 1));
    until("landed", || world.sink.landed() == 1).await;
    for poll in 1..=2 {
        sleep(Duration::from_secs(3_600)).await;
        until("every topic was marked", || {
            world.sink.batches.lock().unwrap().len() == 1 + poll * CapturedTable::ALL.len()
        })
        .await;
    }
    let batches = world.sink.batches.lock().unwrap();
    let hour = Timestamp::from_millis(3_600_000);
    assert!(
        batches[1..6]
            .iter()
            .all(|b| b.first == b.next && b.watermark >= hour)
    );
    let topics: std::collections::BTreeSet<_> = batches[1..6].iter().map(|b| &b.topic).collect();
    assert_eq!(topics.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_put_aside_and_the_rest_lands() {
    let world = world().await;
    for n in 0..10 {
        let mut record = post(UserId::new(), n);
        if n == 4 {
            record.value = Some(Bytes::from_static(b"\xff{"));
        }
        world.log.append(record);
    }
    until("landed", || world.sink.landed() == 9).await;
    let batches = world.sink.batches.lock().unwrap();
    let dead: Vec<_> = batches.iter().flat_map(|b| &b.dead).collect();
    assert_eq!(
        (dead.len(), dead[0].offset, dead[0].value.as_slice()),
        (1, 4, b"\xff{".as_slice())
    );
    let accounted: u64 = batches
        .iter()
        .map(|b| b.outcomes.landed + b.outcomes.dead + b.outcomes.ignored)
        .sum();
    assert_eq!(accounted, 10);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_costs_growing_pauses_and_nothing_is_put_aside() {
    let world = world().await;
    world.sink.down.store(true, Ordering::Relaxed);
    world.log.append(post(UserId::new(), 1));
    sleep(Duration::from_secs(60)).await;
    let attempts = world.sink.attempts.load(Ordering::Relaxed);
    assert!((5..40).contains(&attempts), "{attempts} attempts in a minute");
    world.sink.down.store(false, Ordering::Relaxed);
    until("landed", || world.sink.landed() == 1).await;
    assert!(
        world
            .sink
            .batches
            .lock()
            .unwrap()
            .iter()
            .all(|b| b.dead.is_empty())
    );
}

#[tokio::test(start_paused = true)]
async fn a_fenced_consumer_claims_anew_and_goes_on() {
    let world = world().await;
    until("claimed", || world.sink.claims.load(Ordering::Relaxed) == 5).await;
    world.sink.claim("cdc", "cdc.posts", 0, "another").await.unwrap();
    world.log.append(post(UserId::new(), 1));
    until("landed", || world.sink.landed() == 1).await;
    assert_eq!(world.root.tree().describe().await[0].children[0].restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_killed_consumer_goes_on_from_the_ledger() {
    let world = world().await;
    for n in 0..100 {
        world.log.append(post(UserId::new(), n));
        if n % 20 == 10 {
            assert!(world.root.tree().restart("cdc"));
            sleep(Duration::from_secs(10)).await;
        }
    }
    until("landed", || world.sink.landed() == 100).await;
    assert_eq!(world.sink.ledger.lock().unwrap()["cdc.posts"].1, 100);
}

#[tokio::test(start_paused = true)]
async fn a_truncate_halts_its_partition_only() {
    let world = world().await;
    world.log.append(post(UserId::new(), 1));
    let mut truncate = post(UserId::new(), 2);
    truncate.value = Some(Bytes::from_static(br#"{"op":"t"}"#));
    world.log.append(truncate);
    world.log.append(post(UserId::new(), 3));
    until("landed", || world.sink.landed() == 1).await;
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(
        world.sink.landed(),
        1,
        "nothing after the truncate is passed over"
    );
    let snapshot = world.root.tree().describe().await[0].children[0]
        .snapshot
        .to_string();
    assert!(
        snapshot.contains("Halted") && snapshot.contains("truncated"),
        "{snapshot}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_sink_refuses_for_good_is_put_aside_and_the_rest_lands() {
    let world = world().await;
    let refused = UserId::new();
    *world.sink.refused.lock().unwrap() = Some(refused);
    for n in 0..25 {
        let author = if n == 7 { refused } else { UserId::new() };
        world.log.append(post(author, n));
    }
    until("landed", || world.sink.landed() == 24).await;
    let batches = world.sink.batches.lock().unwrap();
    let dead: Vec<_> = batches.iter().flat_map(|b| &b.dead).collect();
    assert_eq!((dead.len(), dead[0].offset), (1, 7));
    assert!(dead[0].reason.contains("author_id"), "{}", dead[0].reason);
    assert!(batches.windows(2).all(|w| w[0].next == w[1].first));
}
