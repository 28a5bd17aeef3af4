//! What a loader fetches from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{LiveStream, Post, PostId, StreamId, User, UserId};
use crate::error::Result;
use crate::ports::store::{PostReader, StreamStore, UserDirectory};

/// One batched read: what exists among `keys`, in one query.
#[async_trait]
pub trait Fetch<K, V>: Send + Sync {
    /// Keys are distinct and at least one.
    async fn fetch(&self, keys: &[K]) -> Result<HashMap<K, V>>;
}

macro_rules! fetch {
    ($(#[$doc:meta])* $name:ident, $port:ident, $method:ident, $key:ty, $value:ty) => {
        $(#[$doc])*
        pub struct $name(pub Arc<dyn $port>);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        #[async_trait]
        impl Fetch<$key, $value> for $name {
            async fn fetch(&self, keys: &[$key]) -> Result<HashMap<$key, $value>> {
                self.0.$method(keys).await
            }
        }
    };
}

fetch!(
    /// Users by id.
    FetchUsers, UserDirectory, users, UserId, User
);
fetch!(
    /// Live streams by id.
    FetchStreams, StreamStore, streams, StreamId, LiveStream
);
fetch!(
    /// Posts by id.
    FetchPosts, PostReader, posts, PostId, Post
);
