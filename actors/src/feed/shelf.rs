//! Snapshots in the cache: a pointer per reader to the current one, and every one by its generation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use serde::{Deserialize, Serialize};

use super::page::snapshot_ttl;
use super::ranking::Ranker;
use super::settings::FeedSettings;
use super::snapshot::{Generation, Origin, Snapshot, Watermark};
use crate::domain::feed::Rung;
use crate::domain::{Timestamp, UserId};
use crate::error::{Error, Result};
use crate::ports::Cache;
use crate::runtime::metrics::CACHE_REQUESTS;
use crate::runtime::within;

/// Says which snapshot is the reader's current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointer {
    pub(super) generation: Generation,
    pub(super) built_at: Timestamp,
    /// As good as new until then.
    pub(super) soft_until: Timestamp,
    /// The ranker that was asked for: the snapshot's own is `chrono` when there was nothing to rank by.
    pub(super) ranker: Ranker,
    pub(super) rung: Rung,
    pub(super) watermark: Watermark,
}

impl Pointer {
    pub(super) fn to(origin: &Origin, ranker: Ranker, soft_until: Timestamp) -> Self {
        Self {
            generation: origin.generation,
            built_at: origin.built_at,
            soft_until,
            ranker,
            rung: origin.rung,
            watermark: origin.watermark,
        }
    }
}

/// A reader's current snapshot.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) pointer: Pointer,
    pub(super) snapshot: Arc<Snapshot>,
}

/// What the cache said of a reader's current snapshot.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// It is there.
    Current(Current),
    /// There is none.
    Nothing,
    /// The cache did not answer.
    Failed,
}

/// The cache, as the feed uses it.
#[derive(Clone)]
pub(super) struct Shelf {
    cache: Arc<dyn Cache>,
    deadline: Duration,
    ttl: Duration,
}

impl Shelf {
    pub(super) fn new(cache: Arc<dyn Cache>, settings: &FeedSettings) -> Self {
        Self {
            cache,
            deadline: settings.cache_deadline,
            ttl: snapshot_ttl(settings),
        }
    }

    /// The reader's current snapshot. `known` is the one that this worker has itself: while it is still the
    /// current one, the pointer alone is fetched.
    pub(super) async fn current(&self, reader: UserId, known: Option<Current>) -> Found {
        let pointer = match self.get([pointer_key(reader)]).await {
            Ok([pointer]) => pointer.as_deref().and_then(read_pointer),
            Err(error) => {
                tracing::warn!(%error, "the feed's cache did not answer");
                return Found::Failed;
            }
        };
        let Some(pointer) = pointer else {
            return Found::Nothing;
        };
        if let Some(known) = known.filter(|known| known.pointer.generation == pointer.generation) {
            let snapshot = known.snapshot;
            return Found::Current(Current { pointer, snapshot });
        }
        match self.get([snapshot_key(reader, pointer.generation)]).await {
            Ok([snapshot]) => match snapshot.as_deref().and_then(read_snapshot) {
                Some(snapshot) => Found::Current(Current { pointer, snapshot }),
                None => Found::Nothing,
            },
            Err(error) => {
                tracing::warn!(%error, "the feed's cache did not answer");
                Found::Failed
            }
        }
    }

    /// The snapshot of a cursor (`known` when this worker has it itself) and whether a newer one is current,
    /// in one round trip.
    pub(super) async fn of_cursor(
        &self,
        reader: UserId,
        generation: Generation,
        known: Option<Arc<Snapshot>>,
    ) -> (Option<Arc<Snapshot>>, bool) {
        let answer = match known {
            Some(known) => self
                .get([pointer_key(reader)])
                .await
                .map(|[pointer]| (pointer, Some(Arc::clone(&known))))
                .map_err(|error| (error, Some(known))),
            None => self
                .get([pointer_key(reader), snapshot_key(reader, generation)])
                .await
                .map(|[pointer, stored]| (pointer, stored.as_deref().and_then(read_snapshot)))
                .map_err(|error| (error, None)),
        };
        let (pointer, snapshot) = match answer {
            Ok((pointer, snapshot)) => {
                count(if snapshot.is_some() { "fresh" } else { "miss" });
                (pointer, snapshot)
            }
            Err((error, known)) => {
                tracing::warn!(%error, "the feed's cache did not answer");
                count("error");
                (None, known)
            }
        };
        let newer = pointer
            .as_deref()
            .and_then(read_pointer)
            .is_some_and(|pointer| pointer.generation > generation);
        (snapshot, newer)
    }

    /// Stores a snapshot and, when given, makes it the current one.
    pub(super) async fn publish(
        &self,
        reader: UserId,
        snapshot: &Snapshot,
        pointer: Option<Pointer>,
    ) -> Result<()> {
        let encoding = |e| Error::internal("a feed snapshot cannot be encoded").with_source(e);
        let mut entries = Vec::with_capacity(2);
        entries.push((
            snapshot_key(reader, snapshot.origin.generation),
            snapshot.encode().map_err(encoding)?,
        ));
        if let Some(pointer) = pointer {
            let bytes = serde_json::to_vec(&pointer).map_err(encoding)?;
            entries.push((pointer_key(reader), Bytes::from(bytes)));
        }
        within("the cache", self.deadline, self.cache.put_many(entries, self.ttl)).await
    }

    /// Leaves the reader without a current snapshot. Pages of earlier ones go on.
    pub(super) async fn forget(&self, reader: UserId) -> Result<()> {
        within(
            "the cache",
            self.deadline,
            self.cache.delete(&[pointer_key(reader)]),
        )
        .await
    }

    async fn get<const N: usize>(&self, keys: [String; N]) -> Result<[Option<Bytes>; N]> {
        let values = within("the cache", self.deadline, self.cache.get_many(&keys)).await?;
        <[Option<Bytes>; N]>::try_from(values)
            .map_err(|_| Error::internal("the cache answered another number of keys"))
    }
}

/// Counts one look into the cache.
pub(super) fn count(result: &'static str) {
    counter!(CACHE_REQUESTS, "role" => "feed", "result" => result).increment(1);
}

/// The braces keep the keys of one reader on one node of a cluster.
fn pointer_key(reader: UserId) -> String {
    format!("feed:v1:{{{reader}}}")
}

fn snapshot_key(reader: UserId, generation: Generation) -> String {
    format!("feed:v1:{{{reader}}}:{generation}")
}

/// What cannot be read is as good as lost: it is made again.
fn read_pointer(bytes: &[u8]) -> Option<Pointer> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::warn!(%error, "a feed pointer in the cache cannot be read"))
        .ok()
}

fn read_snapshot(bytes: &[u8]) -> Option<Arc<Snapshot>> {
    let snapshot = Snapshot::decode(bytes);
    if snapshot.is_none() {
        tracing::warn!("a feed snapshot in the cache cannot be read");
    }
    snapshot.map(Arc::new)
}
