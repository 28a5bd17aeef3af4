//! The shared cache where it differs from one in memory.

use std::time::Duration;

use bytes::Bytes;
use nova::adapters::cache::redis::{MAX_VALUE, RedisCache};
use nova_actors::Kind;
use nova_actors::ports::Cache as _;
use tokio::time::Instant;

use super::server::Server;
use crate::harness::{PATIENCE, eventually, services};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn nodes_share_what_they_stored() {
    let options = services::redis_options();
    let [a, b] = [(); 2].map(|()| RedisCache::connect(&options).unwrap());
    let key = format!("test:{}", uuid::Uuid::now_v7());
    let entry = (key.clone(), Bytes::from_static(b"v"));
    a.put_many(vec![entry], HOUR).await.unwrap();
    let seen = b.get_many(&[key]).await.unwrap();
    assert_eq!(seen, [Some(Bytes::from_static(b"v"))]);
}

#[tokio::test]
async fn a_value_that_is_too_long_is_not_kept_and_nor_is_the_one_before() {
    let cache = RedisCache::connect(&services::redis_options()).unwrap();
    let [key, other] = [(); 2].map(|()| format!("test:{}", uuid::Uuid::now_v7()));
    let small = Bytes::from_static(b"v");
    cache
        .put_many(vec![(key.clone(), small.clone())], HOUR)
        .await
        .unwrap();
    let large = Bytes::from(vec![0; MAX_VALUE + 1]);
    let entries = vec![(key.clone(), large), (other.clone(), small.clone())];
    cache.put_many(entries, HOUR).await.unwrap();
    assert_eq!(cache.get_many(&[key, other]).await.unwrap(), [None, Some(small)]);
}

#[tokio::test]
async fn a_cache_that_is_away_says_so_at_once_and_comes_back() {
    let mut server = Server::absent(&[]);
    let cache = RedisCache::connect(&server.options()).unwrap();
    let key = || vec!["k".to_owned()];
    let entry = || vec![("k".to_owned(), Bytes::from_static(b"v"))];
    // The first call may wait for the first attempt to connect.
    let error = cache.get_many(&key()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    let begun = Instant::now();
    for _ in 0..100 {
        cache.get_many(&key()).await.unwrap_err();
        cache.put_many(entry(), HOUR).await.unwrap_err();
        cache.delete(&key()).await.unwrap_err();
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    server.start().await;
    eventually("the cache is back", PATIENCE, async || {
        cache.put_many(entry(), HOUR).await.map_err(|e| e.to_string())
    })
    .await;
    assert!(cache.get_many(&key()).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_frozen_server_costs_the_deadline_and_no_more() {
    let server = Server::started(&[]).await;
    let cache = RedisCache::connect(&server.options()).unwrap();
    cache.get_many(&["k".into()]).await.unwrap();
    server.freeze().await;
    let begun = Instant::now();
    let error = cache.get_many(&["k".into()]).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    server.thaw().await;
    eventually("the cache is back", PATIENCE, async || {
        cache.get_many(&["k".into()]).await.map_err(|e| e.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = Server::started(&["--requirepass", "open-sesame"]).await;
    let mut options = server.options();
    options.url = options.url.replace("redis://", "redis://:open-sesame@");
    let cache = RedisCache::connect(&options).unwrap();
    cache.get_many(&["k".into()]).await.unwrap();
    options.url = options.url.replace("open-sesame", "open-barley");
    let refused = RedisCache::connect(&options).unwrap();
    let error = refused.get_many(&["k".into()]).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    let shown = format!("{error} {error:?} {refused:?} {cache:?} {options:?}");
    assert!(!shown.contains("open-"), "{shown}");
}
