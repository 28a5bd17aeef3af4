//! How others read through a loader.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::actor::Msg;
use crate::domain::{LiveStream, Post, PostId, StreamId, User, UserId};
use crate::error::Result;
use crate::runtime::Address;

/// Users, batched.
pub type UserLoader = LoaderHandle<UserId, User>;
/// Live streams, batched.
pub type StreamLoader = LoaderHandle<StreamId, LiveStream>;
/// Posts, batched.
pub type PostLoader = LoaderHandle<PostId, Post>;

/// A way to one loader.
#[derive(Debug)]
pub struct LoaderHandle<K, V> {
    address: Address<Msg<K, V>>,
    deadline: Duration,
}

impl<K, V> Clone for LoaderHandle<K, V> {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            deadline: self.deadline,
        }
    }
}

impl<K, V> LoaderHandle<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A handle to the loader at `address`; answers come within `deadline` or not at all.
    #[must_use]
    pub fn new(address: Address<Msg<K, V>>, deadline: Duration) -> Self {
        Self { address, deadline }
    }

    /// The value of one key; `None` when it does not exist.
    ///
    /// # Errors
    /// What the fetch gave; `Timeout`, `Unavailable`, `Overloaded` of the loader itself.
    pub async fn load(&self, key: K) -> Result<Option<V>> {
        Ok(self.load_many(vec![key]).await?.remove(&key))
    }

    /// What exists among `keys`: one message and one batch, split only above the batch limit. Empty input
    /// asks nothing.
    ///
    /// # Errors
    /// See [`LoaderHandle::load`].
    pub async fn load_many(&self, keys: Vec<K>) -> Result<HashMap<K, V>> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        self.address
            .call(self.deadline, |reply| Msg::load(keys, reply))
            .await?
    }
}
