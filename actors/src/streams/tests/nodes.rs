//! Two nodes over one store and one bus, each with an actor for the same live stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::domain::room::RoomEvent;
use crate::domain::{StreamPatch, WriteContext};

/// A second node beside `world` that learns from the bus only: it never compares itself with the store.
async fn beside(world: &LiveWorld) -> LiveWorld {
    let settings = StreamSettings {
        recheck_every: Duration::from_secs(86_400),
        ..StreamSettings::default()
    };
    LiveWorld::resume(Arc::clone(&world.store), Arc::clone(&world.bus), settings)
        .await
        .unwrap()
}

async fn has_room(world: &LiveWorld, id: StreamId) -> bool {
    format!("{:?}", world.root.tree().describe().await).contains(&format!("stream/{id}"))
}

fn count(world: &LiveWorld, id: StreamId, which: impl Fn(&RoomEvent) -> bool) -> usize {
    world.bus.events(id).iter().filter(|event| which(event)).count()
}

#[tokio::test(start_paused = true)]
async fn an_end_on_one_node_closes_viewers_and_room_on_the_other() {
    let here = world().await;
    let (owner, stream) = live(&here).await;
    let there = beside(&here).await;
    let mut viewer = Viewer::join(&there, stream.id, None).await.unwrap();
    say(&here, stream.id, &owner, "bye").await.unwrap();
    let context = WriteContext::untracked();
    here.streams.end(stream.id, owner.id, context).await.unwrap();
    viewer.until(&there, |v| v.closed.is_some()).await;
    assert_eq!(viewer.texts(), ["bye", "ended"]);
    assert_eq!(viewer.closed, Some(CloseReason::Ended));
    drop(viewer);
    for node in [&here, &there] {
        eventually("the room is gone", async || !has_room(node, stream.id).await).await;
    }
    assert_eq!(count(&here, stream.id, RoomEvent::is_end), 1);
}

#[tokio::test(start_paused = true)]
async fn no_node_ends_a_stream_whose_owner_another_node_sees() {
    let here = world().await;
    let (owner, stream) = live(&here).await;
    let there = beside(&here).await;
    let _viewer = Viewer::join(&there, stream.id, None).await.unwrap();
    let connection = Viewer::join(&here, stream.id, Some(&owner)).await.unwrap();
    sleep(Duration::from_secs(2_000)).await;
    assert!(here.store.row(stream.id).unwrap().is_live());
    drop(connection);
    sleep(Duration::from_secs(500)).await;
    here.streams.heartbeat(stream.id, owner.id).await.unwrap();
    sleep(Duration::from_secs(500)).await;
    assert!(
        here.store.row(stream.id).unwrap().is_live(),
        "a heartbeat elsewhere"
    );
    sleep(Duration::from_secs(200)).await;
    assert!(!here.store.row(stream.id).unwrap().is_live());
    eventually("told once", async || {
        count(&here, stream.id, RoomEvent::is_end) == 1
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_title_is_told_once_for_all_nodes() {
    let here = world().await;
    let (owner, stream) = live(&here).await;
    let there = rechecking(&here).await;
    let mut viewer = Viewer::join(&there, stream.id, None).await.unwrap();
    for title in ["second", "third"] {
        let patch = StreamPatch {
            title: Some(title.into()),
            ..StreamPatch::default()
        };
        here.streams.patch(stream.id, owner.id, patch).await.unwrap();
        viewer.until(&there, |v| v.texts().last() == Some(&title)).await;
        // Longer than it takes each node to look at the row.
        let told = Instant::now();
        viewer
            .until(&there, |_| told.elapsed() > Duration::from_secs(40))
            .await;
    }
    assert_eq!(viewer.texts(), ["second", "third"]);
}

/// A second node that looks at the row from time to time.
async fn rechecking(world: &LiveWorld) -> LiveWorld {
    let (store, bus) = (Arc::clone(&world.store), Arc::clone(&world.bus));
    LiveWorld::resume(store, bus, StreamSettings::default())
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_the_bus_each_node_counts_for_itself_after_a_while() {
    let world = world().await;
    let (_, stream) = live(&world).await;
    world.bus.elsewhere.store(7, Ordering::Relaxed);
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    let shows = |v: &Viewer, viewers: u64| v.states.last().is_some_and(|s| s["viewers"] == viewers);
    viewer.until(&world, |v| shows(v, 8)).await;
    world.bus.countless.store(true, Ordering::Relaxed);
    let since = Instant::now();
    viewer.until(&world, |v| shows(v, 1)).await;
    assert!(
        since.elapsed() > Duration::from_secs(10),
        "a short silence changes nothing"
    );
    world.bus.countless.store(false, Ordering::Relaxed);
    viewer.until(&world, |v| shows(v, 8)).await;
}
