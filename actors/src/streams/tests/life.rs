//! The end of a broadcast, whoever dies on the way; abandonment; titles; stored figures.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::domain::room::RoomEvent;
use crate::domain::{EndedReason, StreamPatch, Timestamp, WriteContext};
use crate::ports::rooms::RoomBus;
use crate::ports::store::StreamStore;

fn ends(world: &LiveWorld, id: StreamId) -> usize {
    world.bus.events(id).iter().filter(|event| event.is_end()).count()
}

#[tokio::test(start_paused = true)]
async fn the_end_is_the_last_event_and_then_viewers_are_closed_and_the_room_goes() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    say(&world, stream.id, &owner, "bye").await.unwrap();
    let ended = world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    assert_eq!(ended.stream.ended_reason, Some(EndedReason::Ended));
    viewer.until(&world, |v| v.closed.is_some()).await;
    assert_eq!(viewer.texts(), ["bye", "ended"]);
    assert_eq!(viewer.closed, Some(CloseReason::Ended));
    assert_eq!(
        kind(say(&world, stream.id, &owner, "late").await),
        Kind::StreamEnded
    );
    assert_eq!(
        kind(Viewer::join(&world, stream.id, None).await.map(|_| ())),
        Kind::StreamEnded
    );
    drop(viewer);
    let name = format!("stream/{}", stream.id);
    eventually("the room is gone", async || {
        !format!("{:?}", world.root.tree().describe().await).contains(&name)
    })
    .await;
    assert_eq!(
        kind(Viewer::join(&world, stream.id, None).await.map(|_| ())),
        Kind::StreamEnded
    );
}

#[tokio::test(start_paused = true)]
async fn a_viewer_who_comes_back_right_after_the_end_still_gets_the_last_events() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let stays = Viewer::join(&world, stream.id, None).await.unwrap();
    say(&world, stream.id, &owner, "bye").await.unwrap();
    world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    eventually("sequenced", async || ends(&world, stream.id) == 1).await;
    let position = Some((stream.epoch.clone(), 0));
    let mut back = Viewer::resume(&world, stream.id, None, position).await.unwrap();
    back.until(&world, |v| v.closed.is_some()).await;
    assert_eq!(back.texts(), ["bye", "ended"]);
    drop(stays);
}

#[tokio::test(start_paused = true)]
async fn ending_twice_gives_the_same_answer_and_one_event() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let first = world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    let second = world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    assert_eq!(first, second);
    eventually("sequenced", async || ends(&world, stream.id) == 1).await;
    assert_eq!(world.commits.load(Ordering::Relaxed), 2, "one start, one end");
}

#[tokio::test(start_paused = true)]
async fn an_end_while_the_room_is_restarting_reaches_the_viewers() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    world.bus.away.store(true, Ordering::Relaxed);
    assert!(world.root.tree().restart(&format!("stream/{}", stream.id)));
    world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    assert_eq!(ends(&world, stream.id), 0);
    world.bus.away.store(false, Ordering::Relaxed);
    viewer.until(&world, |v| v.closed.is_some()).await;
    assert_eq!(viewer.texts(), ["ended"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_another_node_committed_and_never_announced_is_announced_here() {
    let world = world().await;
    let (_, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    let context = WriteContext::untracked();
    world
        .store
        .end(
            stream.id,
            EndedReason::Ended,
            Default::default(),
            &context,
            Timestamp::default(),
        )
        .await
        .unwrap();
    viewer.until(&world, |v| v.closed.is_some()).await;
    assert_eq!(viewer.texts(), ["ended"]);
    assert_eq!(ends(&world, stream.id), 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_published_until_the_bus_takes_it() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    world.bus.away.store(true, Ordering::Relaxed);
    world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ends(&world, stream.id), 0);
    world.bus.away.store(false, Ordering::Relaxed);
    viewer.until(&world, |v| v.closed.is_some()).await;
    assert_eq!(ends(&world, stream.id), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_sign_of_life_is_ended_as_abandoned() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    sleep(Duration::from_secs(500)).await;
    world.streams.heartbeat(stream.id, owner.id).await.unwrap();
    sleep(Duration::from_secs(500)).await;
    assert!(
        world.store.row(stream.id).unwrap().is_live(),
        "a heartbeat is a sign of life"
    );
    sleep(Duration::from_secs(110)).await;
    let row = world.store.row(stream.id).unwrap();
    assert_eq!(row.ended_reason, Some(EndedReason::Abandoned));
    viewer.until(&world, |v| v.closed.is_some()).await;
    let last = world.bus.events(stream.id).pop().unwrap();
    assert_eq!(last, RoomEvent::ended("abandoned"));
    assert_eq!(
        kind(world.streams.heartbeat(stream.id, owner.id).await),
        Kind::StreamEnded
    );
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_is_connected_or_shows_life_on_another_node_has_not_abandoned() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let connection = Viewer::join(&world, stream.id, Some(&owner)).await.unwrap();
    sleep(Duration::from_secs(2_000)).await;
    assert!(world.store.row(stream.id).unwrap().is_live());
    let seen = world.store.row(stream.id).unwrap().owner_seen_at;
    assert!(
        world.streams.now().since(seen) < Duration::from_secs(60),
        "stored for other nodes"
    );
    drop(connection);
    sleep(Duration::from_secs(590)).await;
    let now = world.streams.now();
    world.store.edit(stream.id, |row| row.owner_seen_at = now);
    sleep(Duration::from_secs(100)).await;
    assert!(world.store.row(stream.id).unwrap().is_live());
    sleep(Duration::from_secs(600)).await;
    assert!(!world.store.row(stream.id).unwrap().is_live());
}

#[tokio::test(start_paused = true)]
async fn zero_never_abandons() {
    let settings = StreamSettings {
        abandon_after: Duration::ZERO,
        ..StreamSettings::default()
    };
    let world = LiveWorld::start(settings).await.unwrap();
    let (_, stream) = live(&world).await;
    sleep(Duration::from_secs(2_000)).await;
    assert!(world.store.row(stream.id).unwrap().is_live());
}

#[tokio::test(start_paused = true)]
async fn viewers_hear_of_a_new_title_in_order_even_when_the_room_missed_the_message() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    for title in ["second", "third"] {
        let patch = StreamPatch {
            title: Some(title.into()),
            ..StreamPatch::default()
        };
        world.streams.patch(stream.id, owner.id, patch).await.unwrap();
    }
    viewer.until(&world, |v| v.texts().last() == Some(&"third")).await;
    world.store.edit(stream.id, |row| row.title = "fourth".into());
    viewer
        .until(&world, |v| v.texts().last() == Some(&"fourth"))
        .await;
    viewer.assert_gapless();
    let seen = viewer.log.len();
    let quiet = Instant::now();
    viewer
        .until(&world, |_| quiet.elapsed() > Duration::from_secs(40))
        .await;
    assert_eq!(viewer.log.len(), seen, "told once");
}

#[tokio::test(start_paused = true)]
async fn a_title_that_was_not_told_before_the_room_died_is_told_by_the_next_one() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    world.bus.away.store(true, Ordering::Relaxed);
    let patch = StreamPatch {
        title: Some("new".into()),
        ..StreamPatch::default()
    };
    world.streams.patch(stream.id, owner.id, patch).await.unwrap();
    assert!(world.root.tree().restart(&format!("stream/{}", stream.id)));
    world.bus.away.store(false, Ordering::Relaxed);
    viewer.until(&world, |v| v.texts() == ["new"]).await;
}

#[tokio::test(start_paused = true)]
async fn figures_are_stored_while_it_runs_and_at_the_end() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let viewers = [
        Viewer::join(&world, stream.id, None).await.unwrap(),
        Viewer::join(&world, stream.id, Some(&owner)).await.unwrap(),
    ];
    eventually("stored", async || {
        world.store.row(stream.id).unwrap().viewers == 2
    })
    .await;
    drop(viewers);
    eventually("stored", async || {
        world.store.row(stream.id).unwrap().viewers == 0
    })
    .await;
    let ended = world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    let row = ended.stream;
    assert_eq!((row.viewers, row.peak_viewers, row.unique_viewers), (0, 2, 2));
    assert_eq!(ended.viewers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_stores_the_figures() {
    let settings = StreamSettings {
        store_totals_every: Duration::from_secs(3_600),
        ..StreamSettings::default()
    };
    let world = LiveWorld::start(settings).await.unwrap();
    let (_, stream) = live(&world).await;
    let _viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    assert!(world.root.drain(Duration::from_secs(20)).await);
    assert_eq!(world.store.row(stream.id).unwrap().peak_viewers, 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_process_has_rooms_for_all_running_streams_and_goes_on_with_the_sequence() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    say(&world, stream.id, &owner, "before").await.unwrap();
    let (store, bus) = (Arc::clone(&world.store), Arc::clone(&world.bus));
    drop(world);
    let world = LiveWorld::resume(store, bus, StreamSettings::default())
        .await
        .unwrap();
    let name = format!("stream/{}", stream.id);
    eventually("the room is there", async || {
        format!("{:?}", world.root.tree().describe().await).contains(&name)
    })
    .await;
    let position = Some((stream.epoch.clone(), 0));
    let back = Viewer::resume(&world, stream.id, None, position).await.unwrap();
    assert_eq!(back.texts(), ["before"]);
    assert_eq!(say(&world, stream.id, &owner, "after").await.unwrap().seq, 2);
    let told = world.bus.viewers(&[stream.id]).await.unwrap();
    assert!(told.contains_key(&stream.id));
}
