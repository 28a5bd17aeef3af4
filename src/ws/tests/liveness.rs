//! Heartbeats, expiry, the end, drain, slow clients, and rooms that die.

use super::*;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_silent_room_sends_keepalives_and_only_when_silent() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    client.next("state").await;
    let begun = Instant::now();
    assert!(client.next("k").await["t"].is_i64());
    assert_eq!(begun.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_says_anything_is_closed_after_two_heartbeats() {
    let scene = Scene::open().await;
    let mut socket = scene.socket(Some(scene.stream.id));
    hostile::write(&mut socket, &hostile::text(r#"{"op":"hello"}"#)).await;
    let begun = Instant::now();
    let frames = hostile::read_to_end(&mut socket).await;
    assert_eq!(hostile::close_code(&frames), Some(4003));
    assert!(
        (50..=55).contains(&begun.elapsed().as_secs()),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    for _ in 0..8 {
        client.next("k").await;
    }
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    client.send_raw(Message::Ping(vec![4, 2].into())).await;
    loop {
        if let Some(Ok(Message::Pong(body))) = client.ws.next().await {
            assert_eq!(body.as_ref(), [4, 2]);
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiring_token_is_announced_and_may_be_renewed_in_place() {
    let scene = Scene::open().await;
    scene.names.good_for.store(100_000, Ordering::Relaxed);
    let mut ana = scene.join(Some("ana")).await;
    let begun = Instant::now();
    assert_eq!(ana.next("expiring").await["in_ms"], 60_000);
    assert_eq!(begun.elapsed().as_secs(), 40);
    ana.send(&json!({"op": "auth", "id": 2, "token": "ana"})).await;
    ana.next("ok").await;
    assert_eq!(ana.close_code().await, 4004);
    assert_eq!(begun.elapsed().as_secs(), 140);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_written_before_the_close() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    scene.end().await;
    let (code, frames) = client.closed().await;
    assert_eq!(code, 4410);
    let last = frames.iter().rfind(|frame| frame["op"] == "log").unwrap();
    assert_eq!(
        last["ev"][0],
        json!(["status", {"state": "ended", "reason": "ended"}])
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_closes_every_connection() {
    let scene = Scene::open().await;
    let mut clients = [
        scene.join(None).await,
        scene.join(Some("ana")).await,
        scene.connect().await,
    ];
    scene.draining.cancel();
    for client in &mut clients {
        assert_eq!(client.close_code().await, 4001);
    }
    scene.ctx.tracker.close();
    drop(clients);
    timeout(PATIENCE, scene.ctx.tracker.wait())
        .await
        .expect("all connections end");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_closed_as_slow_and_its_neighbour_sees_everything() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let mut stalled = scene.socket(Some(scene.stream.id));
    hostile::write(&mut stalled, &hostile::text(r#"{"op":"hello"}"#)).await;
    let chat = nova_actors::streams::ChatRequest {
        viewer: scene.owner.clone(),
        key: None,
        text: "x".repeat(500),
    };
    let begun = Instant::now();
    let (mut said, mut seen) = (0, 0);
    while said < 100 || scene.world.streams.get(scene.stream.id).await.unwrap().viewers > 1 {
        for _ in 0..20 {
            said = scene
                .world
                .streams
                .say(scene.stream.id, chat.clone())
                .await
                .unwrap()
                .seq;
        }
        while seen < said {
            let log = ana.next("log").await;
            assert_eq!(log["seq"][0], seen + 1, "nothing is skipped");
            seen = log["seq"][1].as_u64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(begun.elapsed() < Duration::from_secs(15), "never closed");
    }
    assert_eq!(
        hostile::close_code(&hostile::read_to_end(&mut stalled).await),
        Some(4002)
    );
}

#[tokio::test(start_paused = true)]
async fn killed_shards_and_rooms_are_not_noticed_by_the_connection() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let mut watcher = scene.join(None).await;
    let id = scene.stream.id;
    let victims = [
        format!("shard/{id}/0"),
        format!("stream/{id}"),
        "directory".to_owned(),
    ];
    for (said, victim) in (1_u64..).zip(victims) {
        scene.restart(&victim);
        let chat = json!({"op": "chat", "id": said, "key": format!("k{said}"), "x": victim});
        timeout(PATIENCE, async {
            loop {
                ana.send(&chat).await;
                let answered = tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(3)) => None,
                    ok = ana.next("ok") => Some(ok),
                };
                if answered.is_some() {
                    return;
                }
            }
        })
        .await
        .expect("chat works again");
        let log = watcher.next("log").await;
        assert_eq!(
            log["seq"],
            json!([said, said]),
            "no hole and no repeat after {victim}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_who_goes_away_is_not_counted() {
    let scene = Scene::open().await;
    let mut stays = scene.join(None).await;
    let leaves = scene.join(None).await;
    while stays.next("state").await["viewers"] != 2 {}
    drop(leaves);
    let begun = Instant::now();
    while stays.next("state").await["viewers"] != 1 {}
    assert!(begun.elapsed() <= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_task_of_an_idle_connection_stays_small() {
    let scene = Scene::open().await;
    let (_client, server) = tokio::io::duplex(1_024);
    let task = session::serve(server, Arc::clone(&scene.ctx), Some(scene.stream.id));
    let size = std::mem::size_of_val(&task);
    assert!(size <= 3_072, "{size} bytes");
}
