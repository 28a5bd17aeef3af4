//! What the embedded log does beyond its contract: groups, bounds and closing.

use nova_actors::Kind;
use nova_actors::domain::record::{Headers, TraceParent};
use nova_actors::domain::room::{RoomEvent, RoomId, SequencedEvent};
use nova_actors::ports::rooms::{JournalEntry, RoomJournal as _};
use tokio::task::JoinSet;

use super::*;

async fn opened() -> (tempfile::TempDir, SqliteLog) {
    let directory = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(&directory.path().join("log.db")).await.unwrap();
    let topic = TopicSpec {
        name: "streams".into(),
        partitions: 3,
    };
    log.ensure_topics(&[topic]).await.unwrap();
    (directory, log)
}

fn record(topic: &'static str) -> Record {
    Record {
        topic: topic.into(),
        key: "k".into(),
        value: Some("v".into()),
        headers: Headers::new("test.made", TraceParent::root()),
        at: Timestamp::from_millis(1),
    }
}

fn entry(seq: u64) -> JournalEntry {
    JournalEntry {
        room: RoomId::new(),
        epoch: "e1".into(),
        event: SequencedEvent {
            seq,
            at: Timestamp::from_millis(1),
            event: RoomEvent::ended("ended"),
        },
        dedup: None,
    }
}

/// Lets every other task run until it waits for something; exact on one thread.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_that_wait_share_a_transaction_and_one_bad_call_hurts_nobody() {
    let (_directory, log) = opened().await;
    let mut appended = log.appended();
    let mut commits = JoinSet::new();
    commits.spawn(async move {
        let mut seen = Vec::new();
        while appended.changed().await.is_ok() {
            seen.push(*appended.borrow_and_update());
            if seen.last() == Some(&49) {
                break;
            }
        }
        seen
    });
    // While someone else has the write lock, calls gather.
    let other = log.db.begin().await.unwrap();
    let mut calls = JoinSet::new();
    for n in 0..100 {
        let log = log.clone();
        calls.spawn(async move {
            match n % 4 {
                0 => log.journal().append(vec![entry(u64::MAX >> 1)]).await.map(drop),
                1 => log.commit("group", "streams", 0, n).await,
                _ if n == 50 => log.append(vec![record("unknown")]).await.map(drop),
                _ => log.append(vec![record("streams")]).await.map(drop),
            }
        });
    }
    settle().await;
    drop(other);
    let outcomes = calls.join_all().await;
    let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(*failed[0].kind(), Kind::NotFound);
    // The first call has a transaction of its own, all that came later share one.
    let commits = commits.join_next().await.unwrap().unwrap();
    assert!(commits.len() <= 2, "{commits:?}");
    let ends = log.bounds("streams").await.unwrap();
    assert_eq!(ends.iter().map(|b| b.end).sum::<u64>(), 49);
}

#[tokio::test]
async fn an_append_beyond_the_bound_is_refused_whole() {
    let (_directory, log) = opened().await;
    let records = vec![record("streams"); append::MAX_RECORDS + 1];
    let error = log.append(records).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Validation(_)), "{error}");
    assert!(log.bounds("streams").await.unwrap().iter().all(|b| b.end == 0));
    let most = vec![record("streams"); append::MAX_RECORDS];
    assert_eq!(log.append(most).await.unwrap().len(), append::MAX_RECORDS);
}

#[tokio::test]
async fn a_fetch_stops_after_about_eight_megabytes_and_goes_on_from_there() {
    let (_directory, log) = opened().await;
    let mut large = record("streams");
    large.value = Some(vec![b'x'; 3_000_000].into());
    let positions = log.append(vec![large; 5]).await.unwrap();
    let partition = positions[0].partition;
    let first = log.fetch("streams", partition, 0, 100).await.unwrap();
    assert_eq!(first.len(), 3);
    assert_eq!(log.fetch("streams", partition, 3, 100).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_closed_log_has_written_what_waited_and_refuses_the_rest() {
    let (directory, log) = opened().await;
    let other = log.db.begin().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let log = log.clone();
        calls.spawn(async move { log.append(vec![record("streams")]).await });
    }
    settle().await;
    let ((), ()) = tokio::join!(log.close(), async {
        settle().await;
        drop(other);
    });
    for outcome in calls.join_all().await {
        outcome.unwrap();
    }
    let late = log.append(vec![record("streams")]).await.unwrap_err();
    assert_eq!(*late.kind(), Kind::Unavailable);
    let late = log.journal().append(vec![entry(1)]).await.unwrap_err();
    assert_eq!(*late.kind(), Kind::Unavailable);
    let again = SqliteLog::open(&directory.path().join("log.db")).await.unwrap();
    let ends: u64 = again.bounds("streams").await.unwrap().iter().map(|b| b.end).sum();
    assert_eq!(ends, 10);
}

#[tokio::test]
async fn the_writer_ends_with_the_last_handle() {
    let (_directory, log) = opened().await;
    let tasks = log.writer.tasks.clone();
    let journal = log.journal();
    drop(log);
    journal.append(vec![entry(1)]).await.unwrap();
    drop(journal);
    tasks.close();
    tokio::time::timeout(std::time::Duration::from_secs(10), tasks.wait())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_directory_that_does_not_exist_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let error = SqliteLog::open(&directory.path().join("none").join("log.db"))
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
}
