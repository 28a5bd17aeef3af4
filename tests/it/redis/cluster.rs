//! A cluster: commands whose keys are in several slots are refused there, even by one node that has them all.

use std::time::Duration;

use bytes::Bytes;
use nova::adapters::cache::redis::RedisCache;
use nova_actors::domain::UserId;
use nova_actors::domain::room::{RoomEvent, RoomId};
use nova_actors::ports::Cache as _;
use nova_actors::ports::rooms::RoomBus as _;

use super::server::Server;
use super::{Listener, RedisRoomLimits, key, line, node};
use crate::harness::{PATIENCE, eventually};

async fn cluster() -> (Server, nova::adapters::redis::RedisOptions) {
    let server = Server::started(&["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]).await;
    let admin = server.admin().await;
    admin.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the cluster is up", PATIENCE, async || {
        let info = admin
            .run(&["CLUSTER", "INFO"])
            .await
            .into_string()
            .unwrap_or_default();
        if info.contains("cluster_state:ok") {
            Ok(())
        } else {
            Err(info)
        }
    })
    .await;
    let mut options = server.options();
    options.url = options.url.replace("redis://", "redis-cluster://");
    options.command_timeout = Duration::from_secs(5);
    (server, options)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_takes_keys_of_all_slots_at_once() {
    let (_server, options) = cluster().await;
    let cache = RedisCache::connect(&options).unwrap();
    let keys: Vec<String> = (0..50).map(|n| format!("test:{n}")).collect();
    let value = |key: &String| Bytes::from(key.clone());
    let entries = keys.iter().map(|key| (key.clone(), value(key))).collect();
    cache.put_many(entries, Duration::from_secs(60)).await.unwrap();
    let read = cache.get_many(&keys).await.unwrap();
    assert_eq!(read, keys.iter().map(|key| Some(value(key))).collect::<Vec<_>>());
    cache.delete(&keys).await.unwrap();
    assert!(cache.get_many(&keys).await.unwrap().iter().all(Option::is_none));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_all_slots_work() {
    let (_server, options) = cluster().await;
    let bus = node(&options, RedisRoomLimits::default());
    let rooms: Vec<RoomId> = (0..20).map(|_| RoomId::new()).collect();
    let user = UserId::new();
    for &room in &rooms {
        let mut listener = Listener::start(&bus, room).await;
        for n in ["a", "b"] {
            bus.publish(room, "e1", line(n), key(user, n)).await.unwrap();
        }
        let again = bus.publish(room, "e1", line("a"), key(user, "a")).await.unwrap();
        assert!(again.repeated);
        bus.publish(room, "e1", RoomEvent::ended("ended"), None)
            .await
            .unwrap();
        listener.until(3).await;
        listener.assert_gapless();
        bus.set_viewers(room, 2).await.unwrap();
        assert_eq!(bus.chat(room, None, 10).await.unwrap().messages.len(), 2);
    }
    let counts = bus.viewers(&rooms).await.unwrap();
    assert!(rooms.iter().all(|room| counts.get(room) == Some(&2)));
    bus.inspect().await.unwrap();
}
