//! What clients ask after their hello.

use super::*;

#[tokio::test(start_paused = true)]
async fn chat_is_answered_and_reaches_everyone() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let mut anonymous = scene.join(None).await;
    ana.chat(7, "hi \"all\"").await;
    let ok = ana.next("ok").await;
    assert_eq!((&ok["re"], &ok["seq"]), (&json!(7), &json!(1)));
    let log = anonymous.next("log").await;
    assert_eq!(log["ev"][0][0], "chat");
    let line = &log["ev"][0][1];
    assert_eq!(
        (&line["m"], &line["n"], &line["x"]),
        (&ok["m"], &json!("ana"), &json!("hi \"all\""))
    );
    assert_eq!(ana.next("log").await["ev"], log["ev"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_gets_the_same_answer() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let chat = |id: u64| json!({"op": "chat", "id": id, "key": "c-81", "x": "hello"});
    ana.send(&chat(1)).await;
    let first = ana.next("ok").await;
    ana.send(&chat(2)).await;
    let second = ana.next("ok").await;
    assert_eq!((&first["m"], &first["seq"]), (&second["m"], &second["seq"]));
    assert_eq!(scene.world.bus.events(scene.stream.id).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_messages_of_one_connection_keep_their_order() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    for id in 1..=5 {
        ana.chat(id, &id.to_string()).await;
    }
    for id in 1..=5 {
        let ok = ana.next("ok").await;
        assert_eq!((&ok["re"], &ok["seq"]), (&json!(id), &json!(id)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_done_is_answered_and_takes_no_number() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let too_long = "x".repeat(501);
    for (frame, code, field) in [
        (json!({"op": "chat", "id": 1, "x": "  "}), "empty", None),
        (json!({"op": "chat", "id": 1, "x": too_long}), "too_long", None),
        (
            json!({"op": "chat", "id": 1, "x": "a\u{0}b"}),
            "bad_frame",
            Some("x"),
        ),
        (json!({"op": "chat", "id": 1}), "bad_frame", Some("x")),
        (
            json!({"op": "chat", "id": 1, "x": "a", "key": 7}),
            "bad_frame",
            Some("key"),
        ),
        (json!({"op": "hello", "id": 1}), "bad_frame", Some("op")),
        (json!({"op": "beat", "id": 1, "vis": 3}), "bad_frame", Some("vis")),
        (json!({"op": "auth", "id": 1}), "bad_frame", Some("token")),
        (json!({"id": 1}), "bad_frame", Some("op")),
        (json!({"op": "dance", "id": 1}), "unknown_op", None),
        (
            json!({"op": "react", "id": 1, "k": "heart", "n": 1}),
            "unknown_op",
            None,
        ),
    ] {
        ana.send(&frame).await;
        let err = ana.next("err").await;
        assert_eq!((&err["re"], &err["code"]), (&json!(1), &json!(code)), "{frame}");
        assert_eq!(err["field"].as_str(), field, "{frame}");
        assert_eq!(err["temp"], false);
    }
    assert!(scene.world.bus.events(scene.stream.id).is_empty());
    ana.chat(2, &"é".repeat(500)).await;
    assert_eq!(ana.next("ok").await["seq"], 1);
}

#[tokio::test(start_paused = true)]
async fn only_people_with_a_name_may_write() {
    let scene = Scene::open().await;
    let mut anonymous = scene.join(None).await;
    anonymous.chat(1, "hi").await;
    assert_eq!(anonymous.next("err").await["code"], "auth_required");
    anonymous
        .send(&json!({"op": "auth", "id": 2, "token": "ana"}))
        .await;
    assert_eq!(anonymous.next("ok").await["re"], 2);
    anonymous.chat(3, "hi").await;
    assert_eq!(anonymous.next("ok").await["re"], 3);
}

#[tokio::test(start_paused = true)]
async fn the_full_burst_may_be_sent_at_once_and_the_next_is_told_when() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    for id in 1..=6 {
        ana.chat(id, "x").await;
    }
    for id in 1..=5 {
        assert_eq!(ana.next("ok").await["re"], id);
    }
    let err = ana.next("err").await;
    assert_eq!(
        (&err["re"], &err["code"], &err["temp"]),
        (&json!(6), &json!("rate_limited"), &json!(true))
    );
    let wait = err["retry_ms"].as_u64().unwrap();
    assert!((1..=2_000).contains(&wait), "{wait}");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    ana.chat(7, "x").await;
    assert_eq!(ana.next("ok").await["re"], 7);
}

#[tokio::test(start_paused = true)]
async fn ten_violations_in_ten_seconds_are_flooding() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    for id in 1..=15 {
        ana.chat(id, "x").await;
    }
    let (code, frames) = ana.closed().await;
    assert_eq!(code, 4429);
    assert_eq!(frames.iter().filter(|frame| frame["op"] == "ok").count(), 5);
}

#[tokio::test(start_paused = true)]
async fn frames_of_any_kind_are_limited_too() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    let mut other = scene.join(Some("ana")).await;
    let flood = async {
        for _ in 0..500 {
            client.send(&json!({"op": "beat"})).await;
        }
        client.close_code().await
    };
    assert_eq!(flood.await, 4429);
    other.chat(1, "still here").await;
    other.next("ok").await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_away_or_a_room_that_restarts_is_temporary() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    scene.world.bus.away.store(true, Ordering::Relaxed);
    let chat = json!({"op": "chat", "id": 1, "key": "k", "x": "hi"});
    ana.send(&chat).await;
    let err = ana.next("err").await;
    assert_eq!(
        (&err["code"], &err["temp"]),
        (&json!("unavailable"), &json!(true))
    );
    scene.world.bus.away.store(false, Ordering::Relaxed);
    ana.send(&chat).await;
    assert_eq!(ana.next("ok").await["seq"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_still_gets_events_while_its_own_message_waits() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let mut other = scene.join(None).await;
    scene.world.bus.stuck.store(true, Ordering::Relaxed);
    ana.chat(1, "waits").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    scene.world.bus.stuck.store(false, Ordering::Relaxed);
    let bob = scene.names.authenticate("bob").await.unwrap().0;
    let chat = nova_actors::streams::ChatRequest {
        viewer: bob,
        key: None,
        text: "meanwhile".into(),
    };
    scene.world.streams.say(scene.stream.id, chat).await.unwrap();
    assert_eq!(ana.next("log").await["ev"][0][1]["x"], "meanwhile");
    other.next("log").await;
    assert_eq!(ana.next("err").await["code"], "unavailable");
}

#[tokio::test(start_paused = true)]
async fn beats_make_a_viewer_watching() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    client.send(&json!({"op": "beat", "vis": true})).await;
    while client.next("state").await["watching"] != 1 {}
    client.send(&json!({"op": "beat", "vis": false})).await;
    while client.next("state").await["watching"] != 0 {}
}

#[tokio::test(start_paused = true)]
async fn a_token_of_someone_else_does_not_replace_the_viewer_and_a_bad_one_closes() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    ana.send(&json!({"op": "auth", "id": 2, "token": "bob"})).await;
    assert_eq!(ana.next("err").await["code"], "forbidden");
    ana.send(&json!({"op": "auth", "id": 3, "token": "bad"})).await;
    assert_eq!(ana.close_code().await, 4401);
}
