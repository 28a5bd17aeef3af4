//! What is still there when a log was not closed.

use std::sync::{Arc, Mutex};

use nova_actors::ports::log::EventSink as _;

use super::{LogPlace, all, opened, record};
use crate::contract::soon;

pub(super) async fn reopening_continues_the_offsets<P: LogPlace>() {
    let (place, log, name) = opened::<P>("streams", 1).await;
    log.append(vec![record(&name, "k", "1"), record(&name, "k", "2")])
        .await
        .unwrap();
    drop(log);
    let log = place.open().await;
    let positions = log.append(vec![record(&name, "k", "3")]).await.unwrap();
    assert_eq!(positions[0].offset, 2);
    assert_eq!(all(&log, &name, 0).await.len(), 3);
}

pub(super) async fn acknowledged_appends_survive_a_crash<P: LogPlace>() {
    let (place, log, name) = opened::<P>("streams", 2).await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let enough = Arc::new(tokio::sync::Notify::new());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let (log, name) = (log.clone(), name.clone());
        let (acknowledged, enough) = (Arc::clone(&acknowledged), Arc::clone(&enough));
        callers.spawn(async move {
            for round in 0.. {
                let sent = record(&name, &format!("{caller}"), &format!("{caller}-{round}"));
                let positions = log.append(vec![sent.clone()]).await.unwrap();
                let mut acknowledged = acknowledged.lock().unwrap();
                acknowledged.push((positions[0], sent));
                if acknowledged.len() >= 100 {
                    enough.notify_one();
                }
            }
        });
    }
    soon(enough.notified()).await;
    // Callers vanish in the middle of their calls, and nobody closes the log.
    soon(callers.shutdown()).await;
    drop(log);

    let log = place.open().await;
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(acknowledged.len() >= 100);
    let mut stored = std::collections::HashMap::new();
    for partition in 0..2 {
        for (offset, read) in all(&log, &name, partition).await.into_iter().enumerate() {
            assert_eq!(read.position.offset, offset as u64, "no gap");
            stored.insert(read.position, read.record);
        }
    }
    for (position, sent) in acknowledged {
        assert_eq!(stored.get(&position), Some(&sent));
    }
}
