//! Port to the cache: may forget anything at any time.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// Keys and values with a time to live.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The values of `keys`, in their order, in one round trip.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>>;
    /// Stores all entries with one time to live.
    async fn put_many(&self, entries: Vec<(String, Bytes)>, ttl: Duration) -> Result<()>;
    /// Forgets `keys`.
    async fn delete(&self, keys: &[String]) -> Result<()>;
}
