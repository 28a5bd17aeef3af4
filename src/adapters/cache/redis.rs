//! The cache of several nodes: a Redis that they share.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use fred::types::Expiration;
use futures_util::future::try_join_all;
use nova_actors::Result;
use nova_actors::ports::Cache;

use crate::adapters::redis::{Connection, RedisFacts, RedisOptions, failure};

/// Longest value that is kept, in bytes. A longer one is not stored, and what its key had is forgotten: one
/// value must not hold up the connection that all callers share.
pub const MAX_VALUE: usize = 4 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub struct RedisCache {
    connection: Connection,
}

impl RedisCache {
    /// Begins to connect; must be called on a runtime. Works, by failing quickly, while Redis is away.
    ///
    /// # Errors
    /// `Validation` for a URL that cannot be understood.
    pub fn connect(options: &RedisOptions) -> Result<Self> {
        let connection = Connection::open(options)?;
        Ok(Self { connection })
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn inspect(&self) -> Result<RedisFacts> {
        self.connection.inspect().await
    }

    /// Says goodbye to the server.
    pub async fn close(&self) {
        self.connection.close().await;
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.connection.ready().await?;
        if client.is_clustered() {
            // Keys of several slots cannot share a command; these are written without waiting for each other.
            let reads = keys.iter().map(|key| client.get(key.as_str()));
            return try_join_all(reads).await.map_err(failure);
        }
        client.mget(keys.to_vec()).await.map_err(failure)
    }

    async fn put_many(&self, entries: Vec<(String, Bytes)>, ttl: Duration) -> Result<()> {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let (kept, refused): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|(_, value)| ttl > 0 && value.len() <= MAX_VALUE);
        let forgotten: Vec<String> = refused.into_iter().map(|(key, _)| key).collect();
        self.delete(&forgotten).await?;
        if kept.is_empty() {
            return Ok(());
        }
        let client = self.connection.ready().await?;
        let writes = kept
            .into_iter()
            .map(|(key, value)| client.set::<(), _, _>(key, value, Some(Expiration::PX(ttl)), None, false));
        try_join_all(writes).await.map(drop).map_err(failure)
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let client = self.connection.ready().await?;
        let deletes = keys.iter().map(|key| client.unlink::<(), _>(key.as_str()));
        try_join_all(deletes).await.map(drop).map_err(failure)
    }
}
