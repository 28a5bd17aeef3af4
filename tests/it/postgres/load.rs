//! Writers that remember what they were told, and the proof that it is true.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nova::adapters::store::postgres::PostgresStore;
use nova_actors::Kind;
use nova_actors::domain::change::CapturedTable;
use nova_actors::domain::{PostId, StreamId, UserId, WriteContext};
use nova_actors::ports::store::{PendingChanges, PostReader, StreamStore};

use super::{post, start};
use crate::harness::pace;

/// Ids whose write was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    streams: Vec<StreamId>,
    posts: Vec<PostId>,
}

/// What writers do together, and when they stop.
#[derive(Debug, Default)]
pub(super) struct Load {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    /// Starts streams and writes posts until told to stop. Only a store that is away is an excuse.
    pub(super) async fn write(&self, store: &PostgresStore, author: UserId) -> Acknowledged {
        let plain = WriteContext::untracked();
        let (mut done, mut turns) = (Acknowledged::default(), pace());
        while !self.stop.load(Ordering::SeqCst) {
            turns.tick().await;
            let stream = start(store, &plain)
                .await
                .map(|stream| done.streams.push(stream.id));
            let post = post(store, author, &plain)
                .await
                .map(|post| done.posts.push(post.id));
            for outcome in [stream, post] {
                match outcome {
                    Ok(()) => self.acknowledged.fetch_add(1, Ordering::SeqCst),
                    Err(error) => {
                        assert_eq!(error.kind(), &Kind::Unavailable, "{error}");
                        self.failed.fetch_add(1, Ordering::SeqCst)
                    }
                };
            }
        }
        done
    }
}

/// Everything acknowledged is there, and every row that is there, acknowledged or not, is owed to the log.
pub(super) async fn assert_conserved(store: &PostgresStore, done: &[Acknowledged]) {
    let rows = store.outbox(100_000).await.unwrap();
    let announced: HashSet<String> = rows
        .iter()
        .map(|row| String::from_utf8(row.record.key.to_vec()).unwrap())
        .collect();
    assert_eq!(announced.len(), rows.len());
    let running = store.running(None, 100_000).await.unwrap();
    let stored: HashSet<String> = running.iter().map(|stream| stream.id.to_string()).collect();
    assert_eq!(stored, announced);
    for stream in done.iter().flat_map(|done| &done.streams) {
        assert!(stored.contains(&stream.to_string()), "{stream} was acknowledged");
    }

    let changes = store.changes(100_000).await.unwrap();
    let logged: HashSet<String> = changes
        .iter()
        .filter(|change| change.table == CapturedTable::Posts)
        .filter_map(|change| change.key["id"].as_str())
        .map(str::to_owned)
        .collect();
    let posts: Vec<PostId> = logged.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(store.posts(&posts).await.unwrap().len(), logged.len());
    for post in done.iter().flat_map(|done| &done.posts) {
        assert!(logged.contains(&post.to_string()), "{post} was acknowledged");
    }
    let acknowledged: Vec<StreamId> = done.iter().flat_map(|done| done.streams.clone()).collect();
    let found = store.streams(&acknowledged).await.unwrap();
    assert_eq!(found.len(), acknowledged.len());
}
