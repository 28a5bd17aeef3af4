//! The cache of a single process: bounded in bytes, every entry with its own time to live.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Map;
use nova_actors::Result;
use nova_actors::ports::Cache;

/// What an entry costs beside its key and value, roughly.
const OVERHEAD: usize = 128;

#[derive(Debug, Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
}

#[derive(Debug)]
struct OwnTtl;

impl Expiry<String, Entry> for OwnTtl {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

/// An in-process cache. When it is full the entry that was not used for the longest time gives way: a snapshot
/// that was just written must be there for the next page, however popular the others are.
#[derive(Debug, Clone)]
pub struct MemoryCache {
    entries: Map<String, Entry>,
}

impl MemoryCache {
    /// A cache of about `capacity` bytes, keys and book-keeping included.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let entries = Map::builder()
            .max_capacity(capacity)
            .weigher(|key: &String, entry: &Entry| {
                u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(OwnTtl)
            .build();
        Self { entries }
    }

    /// Bytes in use, after expired and surplus entries were removed.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>> {
        Ok(keys
            .iter()
            .map(|key| self.entries.get(key).map(|entry| entry.value))
            .collect())
    }

    async fn put_many(&self, entries: Vec<(String, Bytes)>, ttl: Duration) -> Result<()> {
        for (key, value) in entries {
            self.entries.insert(key, Entry { value, ttl });
        }
        Ok(())
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        for key in keys {
            self.entries.invalidate(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_stays_within_the_capacity_and_the_newest_entries_stay() {
        let cache = MemoryCache::new(100_000);
        for number in 0..1_000 {
            let entry = (format!("k{number}"), Bytes::from(vec![0; 1_000]));
            cache
                .put_many(vec![entry], Duration::from_secs(60))
                .await
                .unwrap();
            assert!(cache.size() <= 100_000);
        }
        assert!(cache.size() > 50_000);
        let newest = cache.get_many(&["k999".into(), "k0".into()]).await.unwrap();
        assert!(newest[0].is_some() && newest[1].is_none());
    }

    #[tokio::test]
    async fn an_entry_larger_than_the_cache_is_not_kept() {
        let cache = MemoryCache::new(1_000);
        let entry = ("k".to_owned(), Bytes::from(vec![0; 2_000]));
        cache
            .put_many(vec![entry], Duration::from_secs(60))
            .await
            .unwrap();
        assert_eq!(cache.size(), 0);
        assert_eq!(cache.get_many(&["k".into()]).await.unwrap(), [None]);
    }
}
