//! Joining, chat, counts, and what viewers notice when parts of a room die.

use std::sync::atomic::Ordering;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_message_reaches_everyone_in_the_room_once_and_in_order() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(Viewer::join(&world, stream.id, None).await.unwrap());
    }
    let said = say(&world, stream.id, &owner, "one").await.unwrap();
    assert_eq!(said.seq, 1);
    say(&world, stream.id, &owner, "two").await.unwrap();
    for viewer in &mut viewers {
        viewer.until(&world, |v| v.seq == 2).await;
        assert_eq!(viewer.texts(), ["one", "two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_key_gives_the_same_answer() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let chat = ChatRequest {
        viewer: owner,
        key: Some("c-1".into()),
        text: "hello".into(),
    };
    let first = world.streams.say(stream.id, chat.clone()).await.unwrap();
    let second = world.streams.say(stream.id, chat).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(world.bus.events(stream.id).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_returning_viewer_gets_what_it_missed_and_a_forgotten_range_is_named() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    for text in ["a", "b", "c", "d"] {
        say(&world, stream.id, &owner, text).await.unwrap();
    }
    let position = |seq| Some((stream.epoch.clone(), seq));
    let mut back = Viewer::resume(&world, stream.id, None, position(1))
        .await
        .unwrap();
    back.until(&world, |v| v.seq == 4).await;
    assert_eq!(back.texts(), ["b", "c", "d"]);

    world.bus.forget(stream.id, 3);
    assert!(world.root.tree().restart(&format!("stream/{}", stream.id)));
    back.until(&world, |v| v.rejoins == 1).await;
    let late = Viewer::resume(&world, stream.id, None, position(1))
        .await
        .unwrap();
    assert_eq!(late.log[..2], [(2, None), (3, None)]);
    assert_eq!(late.texts(), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn counts_are_right_within_two_seconds_of_an_open_or_a_close() {
    let world = world().await;
    let (_, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    let others = [
        Viewer::join(&world, stream.id, None).await.unwrap(),
        Viewer::join(&world, stream.id, None).await.unwrap(),
    ];
    let begun = Instant::now();
    viewer
        .until(&world, |v| v.states.last().is_some_and(|s| s["viewers"] == 3))
        .await;
    drop(others);
    viewer
        .until(&world, |v| v.states.last().is_some_and(|s| s["viewers"] == 1))
        .await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let view = world.streams.get(stream.id).await.unwrap();
    assert_eq!((view.viewers, view.stream.peak_viewers), (1, 3));
    eventually("the bus knows", async || world.bus.told_viewers(stream.id) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn state_comes_at_most_once_a_second_and_not_when_nothing_changed() {
    let world = world().await;
    let (_, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    viewer.until(&world, |v| !v.states.is_empty()).await;
    let quiet = Instant::now();
    viewer
        .until(&world, |_| quiet.elapsed() > Duration::from_secs(10))
        .await;
    assert_eq!(viewer.states.len(), 1);
    viewer.outbox.beat(true);
    viewer.until(&world, |v| v.states.len() == 2).await;
    assert_eq!(viewer.states[1]["watching"], 1);
    viewer.until(&world, |v| v.states.len() == 3).await;
    assert_eq!(viewer.states[2]["watching"], 0, "45 s after the beat");
}

#[tokio::test(start_paused = true)]
async fn viewers_of_other_nodes_are_counted() {
    let world = world().await;
    let (_, stream) = live(&world).await;
    world.bus.elsewhere.store(7, Ordering::Relaxed);
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    viewer
        .until(&world, |v| v.states.last().is_some_and(|s| s["viewers"] == 8))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_shard_costs_its_viewers_a_resync_and_no_event() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewers = Vec::new();
    for _ in 0..5 {
        viewers.push(Viewer::join(&world, stream.id, None).await.unwrap());
    }
    for n in 0..60 {
        say(&world, stream.id, &owner, &n.to_string()).await.unwrap();
        if n % 20 == 10 {
            assert!(world.root.tree().restart(&format!("shard/{}/0", stream.id)));
        }
        for viewer in &mut viewers {
            viewer.until(&world, |_| true).await;
        }
    }
    for viewer in &mut viewers {
        viewer.until(&world, |v| v.seq == 60).await;
        viewer.assert_gapless();
        assert_eq!(viewer.texts().len(), 60);
        assert!(viewer.rejoins >= 1);
    }
    eventually("all are counted once", async || {
        let view = world.streams.get(stream.id).await.unwrap();
        (view.viewers, view.stream.unique_viewers) == (5, 5)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_room_costs_its_viewers_a_resync_and_no_event() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    for n in 0..40 {
        if n % 13 == 5 {
            assert!(world.root.tree().restart(&format!("stream/{}", stream.id)));
        }
        while let Err(error) = say(&world, stream.id, &owner, &n.to_string()).await {
            assert!(error.retryable(), "{error}");
            sleep(Duration::from_millis(20)).await;
        }
        viewer.until(&world, |_| true).await;
    }
    viewer.until(&world, |v| v.texts().contains(&"39")).await;
    viewer.assert_gapless();
    assert!(viewer.rejoins >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_killed_directory_brings_its_rooms_back_at_their_addresses() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    say(&world, stream.id, &owner, "before").await.unwrap();
    assert!(world.root.tree().restart("directory"));
    eventually("chat works again", async || {
        say(&world, stream.id, &owner, "after").await.is_ok()
    })
    .await;
    viewer.until(&world, |v| v.texts() == ["before", "after"]).await;
    viewer.assert_gapless();
}

#[tokio::test(start_paused = true)]
async fn a_lost_subscription_is_taken_up_again_without_a_hole() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    say(&world, stream.id, &owner, "one").await.unwrap();
    world.bus.cut(stream.id);
    say(&world, stream.id, &owner, "two").await.unwrap();
    viewer.until(&world, |v| v.texts() == ["one", "two"]).await;
    assert_eq!(viewer.rejoins, 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_thousand_of_viewers_gets_a_second_shard() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let mut viewers = Vec::new();
    for _ in 0..1_001 {
        viewers.push(Viewer::join(&world, stream.id, None).await.unwrap());
    }
    say(&world, stream.id, &owner, "all").await.unwrap();
    for viewer in &mut viewers {
        viewer.until(&world, |v| v.seq == 1).await;
    }
    let name = format!("shard/{}/1", stream.id);
    assert!(world.root.tree().restart(&name), "{name} exists");
    let last = viewers.last_mut().unwrap();
    last.until(&world, |v| v.rejoins == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_viewer_is_told_what_it_missed_and_its_neighbour_gets_everything() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let stalled = Viewer::join(&world, stream.id, None).await.unwrap();
    let mut healthy = Viewer::join(&world, stream.id, None).await.unwrap();
    let text = "x".repeat(500);
    for n in 1..=1_000 {
        say(&world, stream.id, &owner, &text).await.unwrap();
        if n % 20 == 0 {
            healthy.until(&world, |v| v.seq == n).await;
        }
    }
    healthy.until(&world, |v| v.seq == 1_000).await;
    assert!(healthy.log.iter().all(|(_, text)| text.is_some()));
    let mut taken = stalled.outbox.take().log.into_iter();
    let Some(LogItem::Skip(missed)) = taken.next() else {
        panic!("the oldest were shed")
    };
    assert_eq!(missed.from, 1);
    assert!(matches!(taken.next(), Some(LogItem::Frame(log)) if log.first == missed.to + 1));
}

#[tokio::test(start_paused = true)]
async fn joins_wait_for_a_room_that_cannot_open_yet() {
    let world = world().await;
    world.bus.away.store(true, Ordering::Relaxed);
    let (owner, stream) = live(&world).await;
    assert_eq!(kind(say(&world, stream.id, &owner, "x").await), Kind::Unavailable);
    let join = async {
        let joined = Viewer::join(&world, stream.id, None).await;
        assert!(joined.is_ok(), "{:?}", joined.err());
    };
    let back = async {
        sleep(Duration::from_secs(1)).await;
        world.bus.away.store(false, Ordering::Relaxed);
    };
    tokio::join!(join, back);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_state_frames_grows_over_a_restart_of_the_room() {
    let world = world().await;
    let (_, stream) = live(&world).await;
    let mut viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    let mut others = Vec::new();
    for shown in 1..=3 {
        viewer.until(&world, |v| v.states.len() >= shown).await;
        others.push(Viewer::join(&world, stream.id, None).await.unwrap());
    }
    viewer.until(&world, |v| v.states.len() >= 4).await;
    assert!(world.root.tree().restart(&format!("stream/{}", stream.id)));
    viewer
        .until(&world, |v| v.rejoins == 1 && v.states.len() >= 5)
        .await;
    let revs: Vec<u64> = viewer.states.iter().filter_map(|s| s["rev"].as_u64()).collect();
    assert!(revs.is_sorted_by(|a, b| a < b), "{revs:?}");
}
