//! What every event log promises (`EventSink`, `EventSource`).

mod crash;
mod model;
mod retention;

use std::collections::HashMap;

use bytes::Bytes;
use nova::adapters::log::sqlite::SqliteLog;
use nova_actors::domain::Timestamp;
use nova_actors::domain::record::{Headers, Position, Record, StoredRecord, TraceParent};
use nova_actors::ports::log::{EventSink, EventSource, LogRetention, TopicSpec};
use nova_actors::{Error, Kind};

use super::{LogFile, soon};
use crate::contract::log::crash::{acknowledged_appends_survive_a_crash, reopening_continues_the_offsets};
use crate::contract::log::retention::{
    everything_can_be_trimmed_and_offsets_go_on, old_records_behind_a_newer_one_stay,
    trimming_moves_the_earliest_offset, trimming_one_topic_leaves_the_others,
};

/// See the module `contract`. Topic names are unique, so that a place may be a shared server.
pub(crate) trait LogPlace: Sized + Send + Sync {
    type Log: EventSink + EventSource + LogRetention + Clone + 'static;
    fn new() -> impl Future<Output = Self> + Send;
    fn open(&self) -> impl Future<Output = Self::Log> + Send;
}

macro_rules! log_contract {
    ($adapter:ident, $place:ty) => {
        mod $adapter {
            use super::*;
            contract_tests!(
                $place: a_topic_is_created_once_and_only_grows,
                a_topic_without_name_or_partitions_is_refused,
                records_come_back_as_they_were,
                keys_land_where_a_java_client_puts_them,
                one_append_spans_topics_and_answers_in_order,
                an_unknown_topic_is_not_found_and_nothing_is_written,
                an_unknown_partition_is_not_found,
                a_fetch_is_bounded_and_empty_at_the_end,
                an_offset_beyond_the_end_is_an_error,
                concurrent_appends_get_contiguous_offsets,
                records_of_a_key_keep_their_order,
                an_append_wakes_whoever_waits_after_it_can_be_read,
                an_empty_append_does_nothing,
                groups_keep_their_own_positions,
                trimming_moves_the_earliest_offset,
                everything_can_be_trimmed_and_offsets_go_on,
                old_records_behind_a_newer_one_stay,
                trimming_one_topic_leaves_the_others,
                reopening_continues_the_offsets,
                acknowledged_appends_survive_a_crash,
            );
            #[test]
            fn random_histories_equal_a_plain_vector() {
                model::random_histories_equal_a_plain_vector::<$place>();
            }
        }
    };
}

log_contract!(sqlite, SqlitePlace);

pub(crate) struct SqlitePlace(LogFile);

impl LogPlace for SqlitePlace {
    type Log = SqliteLog;

    async fn new() -> Self {
        Self(LogFile::fresh())
    }

    async fn open(&self) -> SqliteLog {
        self.0.open().await
    }
}

fn topic(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::now_v7())
}

fn spec(name: &str, partitions: u16) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
    }
}

fn record(topic: &str, key: &str, value: &str) -> Record {
    record_at(topic, key, value, 1_700_000_000_000)
}

fn record_at(topic: &str, key: &str, value: &str, at: i64) -> Record {
    Record {
        topic: topic.to_owned().into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Headers::new("test.made", TraceParent::root()),
        at: Timestamp::from_millis(at),
    }
}

async fn opened<P: LogPlace>(name: &str, partitions: u16) -> (P, P::Log, String) {
    let place = P::new().await;
    let log = place.open().await;
    let name = topic(name);
    log.ensure_topics(&[spec(&name, partitions)]).await.unwrap();
    (place, log, name)
}

/// Everything in a partition, in as many fetches as it takes.
async fn all(log: &impl EventSource, topic: &str, partition: u16) -> Vec<StoredRecord> {
    let bounds = log.bounds(topic).await.unwrap();
    let mut next = bounds[usize::from(partition)].earliest;
    let mut records = Vec::new();
    loop {
        let page = log.fetch(topic, partition, next, 500).await.unwrap();
        let Some(last) = page.last() else {
            return records;
        };
        next = last.position.offset + 1;
        records.extend(page);
    }
}

fn is_not_found<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(error) if *error.kind() == Kind::NotFound)
}

async fn a_topic_is_created_once_and_only_grows<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 3).await;
    log.append(vec![record(&name, "k", "v")]).await.unwrap();
    for partitions in [3, 1, 5] {
        log.ensure_topics(&[spec(&name, partitions)]).await.unwrap();
        let bounds = log.bounds(&name).await.unwrap();
        let numbers: Vec<_> = bounds.iter().map(|b| b.partition).collect();
        assert_eq!(numbers, (0..partitions.max(3)).collect::<Vec<_>>());
        assert_eq!(bounds.iter().map(|b| b.end).sum::<u64>(), 1);
    }
}

async fn a_topic_without_name_or_partitions_is_refused<P: LogPlace>() {
    let place = P::new().await;
    let log = place.open().await;
    let good = topic("good");
    for bad in [spec("", 1), spec(&topic("bad"), 0)] {
        let error = log.ensure_topics(&[spec(&good, 1), bad]).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Validation(_)), "{error}");
    }
    assert!(is_not_found(log.bounds(&good).await));
}

async fn records_come_back_as_they_were<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 1).await;
    let mut records = vec![
        record(&name, "k", r#"{"text":"žluťoučký \u0000"}"#),
        record_at(&name, "", "", -1),
        record(&name, "gone", ""),
        record(&name, "binary", ""),
    ];
    records[2].value = None;
    records[3].key = Bytes::from_static(&[0, 255, 128, 10]);
    records[3].value = Some(Bytes::from((0..=255).collect::<Vec<u8>>()));
    log.append(records.clone()).await.unwrap();
    let stored = all(&log, &name, 0).await;
    let read: Vec<_> = stored.into_iter().map(|stored| stored.record).collect();
    assert_eq!(read, records);
}

async fn keys_land_where_a_java_client_puts_them<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 12).await;
    let hashes: [(&str, i32); 4] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("abc", 479_470_107),
    ];
    for (key, hash) in hashes {
        let positions = log.append(vec![record(&name, key, "v")]).await.unwrap();
        let expected = (hash & i32::MAX) % 12;
        assert_eq!(i32::from(positions[0].partition), expected, "{key}");
    }
}

async fn one_append_spans_topics_and_answers_in_order<P: LogPlace>() {
    let (_place, log, left) = opened::<P>("left", 3).await;
    let right = topic("right");
    log.ensure_topics(&[spec(&right, 5)]).await.unwrap();
    let records: Vec<_> = (0..1_500)
        .map(|n| {
            let topic = if n % 2 == 0 { &left } else { &right };
            record(topic, &format!("key-{n}"), &n.to_string())
        })
        .collect();
    let positions = log.append(records.clone()).await.unwrap();
    assert_eq!(positions.len(), records.len());
    let mut read = HashMap::new();
    for (name, partitions) in [(&left, 3), (&right, 5)] {
        for partition in 0..partitions {
            for stored in all(&log, name, partition).await {
                read.insert((name.clone(), stored.position), stored.record);
            }
        }
    }
    assert_eq!(read.len(), records.len());
    for (record, position) in records.into_iter().zip(positions) {
        assert_eq!(read[&(record.topic.to_string(), position)], record);
    }
}

async fn an_unknown_topic_is_not_found_and_nothing_is_written<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 2).await;
    let unknown = topic("unknown");
    let appended = log.appended();
    let mixed = vec![
        record(&name, "a", "1"),
        record(&unknown, "a", "2"),
        record(&name, "b", "3"),
    ];
    assert!(is_not_found(log.append(mixed).await));
    assert!(is_not_found(log.bounds(&unknown).await));
    assert!(is_not_found(log.fetch(&unknown, 0, 0, 10).await));
    assert!(is_not_found(log.commit("group", &unknown, 0, 1).await));
    assert!(is_not_found(
        log.trim(&unknown, Timestamp::from_millis(i64::MAX)).await
    ));
    assert!(log.bounds(&name).await.unwrap().iter().all(|b| b.end == 0));
    assert!(!appended.has_changed().unwrap());
}

async fn an_unknown_partition_is_not_found<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 2).await;
    assert!(log.fetch(&name, 1, 0, 10).await.unwrap().is_empty());
    assert!(is_not_found(log.fetch(&name, 2, 0, 10).await));
    assert!(is_not_found(log.commit("group", &name, 2, 0).await));
}

async fn a_fetch_is_bounded_and_empty_at_the_end<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 1).await;
    let records = (0..10).map(|n| record(&name, "k", &n.to_string())).collect();
    log.append(records).await.unwrap();
    for (from, max, expected) in [
        (0, 4, 0..4),
        (4, 4, 4..8),
        (8, 4, 8..10),
        (10, 4, 10..10),
        (0, u32::MAX, 0..10),
        (0, 0, 0..0),
    ] {
        let page = log.fetch(&name, 0, from, max).await.unwrap();
        let offsets: Vec<u64> = page.iter().map(|stored| stored.position.offset).collect();
        assert_eq!(offsets, expected.collect::<Vec<_>>(), "from {from}, max {max}");
    }
}

async fn an_offset_beyond_the_end_is_an_error<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 1).await;
    log.append(vec![record(&name, "k", "v")]).await.unwrap();
    for from in [2, u64::MAX] {
        let error = log.fetch(&name, 0, from, 10).await.unwrap_err();
        assert_eq!(*error.kind(), Kind::CursorInvalid, "{error}");
    }
}

async fn concurrent_appends_get_contiguous_offsets<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("events", 4).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..32 {
        let (log, name) = (log.clone(), name.clone());
        callers.spawn(async move {
            let mut written = Vec::new();
            for round in 0..10 {
                let records: Vec<_> = (0..3)
                    .map(|n| record(&name, &format!("{caller}-{n}"), &format!("{caller}-{n}-{round}")))
                    .collect();
                let positions = log.append(records.clone()).await.unwrap();
                written.extend(positions.into_iter().zip(records));
            }
            written
        });
    }
    let written: HashMap<Position, Record> = soon(callers.join_all()).await.into_iter().flatten().collect();
    assert_eq!(written.len(), 32 * 10 * 3);
    let mut read = 0;
    for partition in 0..4 {
        for (offset, stored) in all(&log, &name, partition).await.into_iter().enumerate() {
            assert_eq!(stored.position.offset, offset as u64);
            assert_eq!(written[&stored.position], stored.record);
            read += 1;
        }
    }
    assert_eq!(read, written.len());
}

async fn records_of_a_key_keep_their_order<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 4).await;
    for round in 0..20 {
        let records = (0..10)
            .map(|key| record(&name, &format!("key-{key}"), &round.to_string()))
            .collect();
        log.append(records).await.unwrap();
    }
    let mut seen: HashMap<Bytes, Vec<String>> = HashMap::new();
    let mut homes: HashMap<Bytes, u16> = HashMap::new();
    for partition in 0..4 {
        for stored in all(&log, &name, partition).await {
            let home = *homes.entry(stored.record.key.clone()).or_insert(partition);
            assert_eq!(home, partition, "a key has one partition");
            let value = String::from_utf8(stored.record.value.unwrap().to_vec()).unwrap();
            seen.entry(stored.record.key).or_default().push(value);
        }
    }
    let rounds: Vec<_> = (0..20).map(|round| round.to_string()).collect();
    assert_eq!(seen.len(), 10);
    assert!(seen.values().all(|values| *values == rounds));
}

async fn an_append_wakes_whoever_waits_after_it_can_be_read<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 1).await;
    let mut appended = log.appended();
    assert!(!appended.has_changed().unwrap());
    let consumer = async {
        appended.changed().await.unwrap();
        log.fetch(&name, 0, 0, 10).await.unwrap()
    };
    let (read, written) =
        soon(async { tokio::join!(consumer, log.append(vec![record(&name, "k", "v")])) }).await;
    written.unwrap();
    assert_eq!(read.len(), 1);
}

async fn an_empty_append_does_nothing<P: LogPlace>() {
    let (_place, log, _) = opened::<P>("streams", 1).await;
    let appended = log.appended();
    assert!(log.append(Vec::new()).await.unwrap().is_empty());
    assert!(!appended.has_changed().unwrap());
}

async fn groups_keep_their_own_positions<P: LogPlace>() {
    let (place, log, name) = opened::<P>("streams", 3).await;
    let (cdc, events) = (topic("cdc"), topic("events"));
    assert!(log.committed(&cdc, &name).await.unwrap().is_empty());
    log.commit(&cdc, &name, 2, 7).await.unwrap();
    log.commit(&cdc, &name, 0, 1).await.unwrap();
    log.commit(&cdc, &name, 2, 9).await.unwrap();
    log.commit(&events, &name, 2, 3).await.unwrap();
    drop(log);
    let log = place.open().await;
    let mut positions = log.committed(&cdc, &name).await.unwrap();
    positions.sort_unstable();
    assert_eq!(positions, [(0, 1), (2, 9)]);
    assert_eq!(log.committed(&events, &name).await.unwrap(), [(2, 3)]);
}
