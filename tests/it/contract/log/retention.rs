//! Trimming by time.

use nova_actors::Kind;
use nova_actors::domain::Timestamp;
use nova_actors::ports::log::{EventSink as _, EventSource as _, LogRetention as _, PartitionBounds};

use super::{LogPlace, all, opened, record_at, spec, topic};

fn bounds(earliest: u64, end: u64) -> PartitionBounds {
    PartitionBounds {
        partition: 0,
        earliest,
        end,
    }
}

pub(super) async fn trimming_moves_the_earliest_offset<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 1).await;
    let records = (0..10).map(|n| record_at(&name, "k", "v", n * 1_000)).collect();
    log.append(records).await.unwrap();
    assert_eq!(log.trim(&name, Timestamp::from_millis(0)).await.unwrap(), 0);
    // A record of exactly that time is not older.
    assert_eq!(log.trim(&name, Timestamp::from_millis(4_000)).await.unwrap(), 4);
    assert_eq!(log.trim(&name, Timestamp::from_millis(4_000)).await.unwrap(), 0);
    assert_eq!(log.bounds(&name).await.unwrap(), [bounds(4, 10)]);
    let error = log.fetch(&name, 0, 3, 10).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::CursorExpired, "{error}");
    let offsets: Vec<_> = all(&log, &name, 0)
        .await
        .iter()
        .map(|r| r.position.offset)
        .collect();
    assert_eq!(offsets, (4..10).collect::<Vec<_>>());
}

pub(super) async fn everything_can_be_trimmed_and_offsets_go_on<P: LogPlace>() {
    let (place, log, name) = opened::<P>("streams", 1).await;
    // More than an adapter would remove in one step.
    for _ in 0..3 {
        let records = (0..4_000).map(|n| record_at(&name, "k", "v", n)).collect();
        log.append(records).await.unwrap();
    }
    let removed = log.trim(&name, Timestamp::from_millis(5_000)).await.unwrap();
    assert_eq!(removed, 12_000);
    assert_eq!(log.bounds(&name).await.unwrap(), [bounds(12_000, 12_000)]);
    assert!(log.fetch(&name, 0, 12_000, 10).await.unwrap().is_empty());
    assert!(log.fetch(&name, 0, 11_999, 10).await.is_err());
    drop(log);
    let log = place.open().await;
    assert_eq!(log.bounds(&name).await.unwrap(), [bounds(12_000, 12_000)]);
    let positions = log.append(vec![record_at(&name, "k", "v", 9_000)]).await.unwrap();
    assert_eq!(positions[0].offset, 12_000);
}

pub(super) async fn old_records_behind_a_newer_one_stay<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 1).await;
    let records = [1, 9, 2].map(|at| record_at(&name, "k", "v", at)).to_vec();
    log.append(records).await.unwrap();
    assert_eq!(log.trim(&name, Timestamp::from_millis(5)).await.unwrap(), 1);
    assert_eq!(log.bounds(&name).await.unwrap(), [bounds(1, 3)]);
    assert_eq!(all(&log, &name, 0).await.len(), 2);
    assert_eq!(log.trim(&name, Timestamp::from_millis(10)).await.unwrap(), 2);
}

pub(super) async fn trimming_one_topic_leaves_the_others<P: LogPlace>() {
    let (_place, log, name) = opened::<P>("streams", 3).await;
    let other = topic("other");
    log.ensure_topics(&[spec(&other, 3)]).await.unwrap();
    for key in 0..20 {
        let key = format!("key-{key}");
        let records = vec![record_at(&name, &key, "v", 1), record_at(&other, &key, "v", 1)];
        log.append(records).await.unwrap();
    }
    assert_eq!(log.trim(&name, Timestamp::from_millis(2)).await.unwrap(), 20);
    let kept = log.bounds(&other).await.unwrap();
    assert!(kept.iter().all(|b| b.earliest == 0));
    assert_eq!(kept.iter().map(|b| b.end).sum::<u64>(), 20);
}
