//! What every cache promises (`Cache`). Forgetting is always allowed, so values are few and small here.

use std::time::Duration;

use bytes::Bytes;
use nova::adapters::cache::memory::MemoryCache;
use nova::adapters::cache::redis::RedisCache;
use nova_actors::ports::Cache;

use super::soon;
use crate::harness::services;

const LONG: Duration = Duration::from_secs(3_600);

/// Opens a cache. Keys are unique, so that it may be a shared server.
pub(crate) trait CachePlace {
    type Cache: Cache;
    fn open() -> impl Future<Output = Self::Cache> + Send;
}

macro_rules! cache_contract {
    ($adapter:ident, $place:ty) => {
        mod $adapter {
            use super::*;
            contract_tests!(
                $place: values_come_back_in_the_order_of_the_keys,
                nothing_asked_is_nothing_answered,
                a_later_value_replaces_value_and_time_to_live,
                values_are_gone_after_their_time_to_live,
                a_time_to_live_of_zero_keeps_nothing,
                deleted_values_are_gone_and_the_others_stay,
                values_may_be_any_bytes,
            );
        }
    };
}

cache_contract!(memory, Memory);
cache_contract!(redis, Redis);

pub(crate) struct Memory;

impl CachePlace for Memory {
    type Cache = MemoryCache;

    async fn open() -> MemoryCache {
        MemoryCache::new(1_000_000)
    }
}

pub(crate) struct Redis;

impl CachePlace for Redis {
    type Cache = RedisCache;

    async fn open() -> RedisCache {
        RedisCache::connect(&services::redis_options()).unwrap()
    }
}

fn keys<const N: usize>() -> [String; N] {
    std::array::from_fn(|n| format!("test:{}:{n}", uuid::Uuid::now_v7()))
}

async fn put(cache: &impl Cache, key: &str, value: &'static str, ttl: Duration) {
    let entry = (key.to_owned(), Bytes::from_static(value.as_bytes()));
    cache.put_many(vec![entry], ttl).await.unwrap();
}

async fn get(cache: &impl Cache, key: &str) -> Option<Bytes> {
    cache.get_many(&[key.to_owned()]).await.unwrap().remove(0)
}

async fn gone(cache: &impl Cache, key: &str) {
    soon(async {
        while get(cache, key).await.is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn values_come_back_in_the_order_of_the_keys<P: CachePlace>() {
    let cache = P::open().await;
    let [a, b, missing] = keys();
    let entries = vec![
        (a.clone(), Bytes::from_static(b"1")),
        (b.clone(), Bytes::from_static(b"2")),
    ];
    cache.put_many(entries, LONG).await.unwrap();
    let values = cache.get_many(&[b.clone(), missing, a, b]).await.unwrap();
    let texts: Vec<_> = values.iter().map(Option::as_deref).collect();
    assert_eq!(texts, [Some(&b"2"[..]), None, Some(b"1"), Some(b"2")]);
}

async fn nothing_asked_is_nothing_answered<P: CachePlace>() {
    let cache = P::open().await;
    assert!(cache.get_many(&[]).await.unwrap().is_empty());
    cache.put_many(Vec::new(), LONG).await.unwrap();
    cache.delete(&[]).await.unwrap();
}

async fn a_later_value_replaces_value_and_time_to_live<P: CachePlace>() {
    let cache = P::open().await;
    let [longer, shorter, probe] = keys();
    put(&cache, &longer, "old", Duration::from_millis(50)).await;
    put(&cache, &longer, "new", LONG).await;
    put(&cache, &shorter, "old", LONG).await;
    put(&cache, &shorter, "new", Duration::from_millis(50)).await;
    put(&cache, &probe, "x", Duration::from_millis(100)).await;
    gone(&cache, &shorter).await;
    gone(&cache, &probe).await;
    assert_eq!(get(&cache, &longer).await.as_deref(), Some(&b"new"[..]));
}

async fn values_are_gone_after_their_time_to_live<P: CachePlace>() {
    let cache = P::open().await;
    let [short, long] = keys();
    put(&cache, &short, "v", Duration::from_millis(50)).await;
    put(&cache, &long, "v", LONG).await;
    gone(&cache, &short).await;
    assert!(get(&cache, &long).await.is_some());
}

async fn a_time_to_live_of_zero_keeps_nothing<P: CachePlace>() {
    let cache = P::open().await;
    let [key] = keys();
    put(&cache, &key, "old", LONG).await;
    put(&cache, &key, "new", Duration::ZERO).await;
    assert_eq!(get(&cache, &key).await, None);
}

async fn deleted_values_are_gone_and_the_others_stay<P: CachePlace>() {
    let cache = P::open().await;
    let [a, b, missing] = keys();
    put(&cache, &a, "1", LONG).await;
    put(&cache, &b, "2", LONG).await;
    cache.delete(&[a.clone(), missing]).await.unwrap();
    assert_eq!(get(&cache, &a).await, None);
    assert_eq!(get(&cache, &b).await.as_deref(), Some(&b"2"[..]));
}

async fn values_may_be_any_bytes<P: CachePlace>() {
    let cache = P::open().await;
    let [empty, large] = keys();
    let bytes = Bytes::from((0..100_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let entries = vec![(empty.clone(), Bytes::new()), (large.clone(), bytes.clone())];
    cache.put_many(entries, LONG).await.unwrap();
    assert_eq!(get(&cache, &empty).await, Some(Bytes::new()));
    assert_eq!(get(&cache, &large).await, Some(bytes));
}
