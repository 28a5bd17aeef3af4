//! The beginning of a connection.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_welcome_has_everything_that_the_contract_names() {
    let scene = Scene::open().await;
    let mut client = scene.connect().await;
    client
        .send(&json!({"op": "hello", "id": 9, "app": "unknown fields are ignored"}))
        .await;
    let welcome = client.next("welcome").await;
    assert!(welcome["sid"].as_str().is_some_and(|sid| !sid.is_empty()));
    assert_eq!(welcome["re"], 9);
    assert_eq!(welcome["epoch"], scene.stream.epoch.as_str());
    assert_eq!(welcome["seq"], 0);
    assert_eq!(welcome["resume"], "fresh");
    assert_eq!(welcome["missed"], Value::Null);
    assert_eq!(welcome["hb_ms"], 25_000);
    assert_eq!(
        welcome["lim"],
        json!({"frame": 4096, "chat": [5, 10_000], "react": [10, 1_000]})
    );
    let room = &welcome["room"];
    assert_eq!(
        (&room["state"], &room["title"], &room["viewers"]),
        (&json!("live"), &json!("Title"), &json!(1))
    );
    assert_eq!(room["mode"], json!({"slow_s": 0, "who": "all"}));
}

#[tokio::test(start_paused = true)]
async fn a_resume_gets_the_missed_events_once_and_then_the_new_ones() {
    let scene = Scene::open().await;
    let mut author = scene.join(Some("ana")).await;
    for id in 1..=3 {
        author.chat(id, "x").await;
        author.next("ok").await;
    }
    let mut back = scene.connect().await;
    let resume = json!({"epoch": scene.stream.epoch, "seq": 1});
    back.send(&json!({"op": "hello", "resume": resume})).await;
    let welcome = back.next("welcome").await;
    assert_eq!((&welcome["resume"], &welcome["seq"]), (&json!("ok"), &json!(3)));
    assert_eq!(back.next("log").await["seq"], json!([2, 3]));
    author.chat(4, "x").await;
    assert_eq!(back.next("log").await["seq"], json!([4, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_named_and_another_epoch_or_the_future_is_fresh() {
    let scene = Scene::open().await;
    let mut author = scene.join(Some("ana")).await;
    for id in 1..=4 {
        author.chat(id, "x").await;
        author.next("ok").await;
    }
    scene.world.bus.forget(scene.stream.id, 2);
    scene.restart(&format!("stream/{}", scene.stream.id));
    for (epoch, seq, resume, missed) in [
        (scene.stream.epoch.as_str(), 0, "gap", json!({"from": 1, "to": 2})),
        (scene.stream.epoch.as_str(), 5, "fresh", Value::Null),
        ("another", 2, "fresh", Value::Null),
    ] {
        let mut client = scene.connect().await;
        client
            .send(&json!({"op": "hello", "resume": {"epoch": epoch, "seq": seq}}))
            .await;
        let welcome = client.next("welcome").await;
        assert_eq!(
            (&welcome["resume"], &welcome["missed"]),
            (&json!(resume), &missed)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn silence_instead_of_a_hello_is_closed_after_eight_seconds() {
    let scene = Scene::open().await;
    let begun = tokio::time::Instant::now();
    let mut client = scene.connect().await;
    client.send_raw(Message::Ping(vec![1].into())).await;
    assert_eq!(client.close_code().await, 4508);
    assert_eq!(begun.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_hello_is_closed_as_a_bad_frame() {
    let scene = Scene::open().await;
    for text in [
        "hello",
        "[]",
        "{}",
        r#"{"op":"chat","x":"hi"}"#,
        r#"{"op":"hello","token":7}"#,
        r#"{"op":"hello","id":"one"}"#,
        r#"{"op":"hello","resume":{"seq":1}}"#,
    ] {
        let mut client = scene.connect().await;
        client.send_raw(Message::text(text)).await;
        assert_eq!(client.close_code().await, 4400, "{text}");
    }
    let mut client = scene.connect().await;
    client
        .send_raw(Message::binary(b"{\"op\":\"hello\"}".to_vec()))
        .await;
    assert_eq!(client.close_code().await, 4400);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_good_hello_is_told_by_the_code() {
    let scene = Scene::open().await;
    let hello = json!({"op": "hello"});
    for stream in [None, Some(StreamId::new())] {
        let mut client = scene.connect_to(stream).await;
        client.send(&hello).await;
        assert_eq!(client.close_code().await, 4404);
    }
    for token in ["", "bad"] {
        let mut client = scene.connect().await;
        client.send(&json!({"op": "hello", "token": token})).await;
        assert_eq!(client.close_code().await, 4401, "{token:?}");
    }
    scene.names.away.store(true, Ordering::Relaxed);
    let mut client = scene.connect().await;
    client.send(&json!({"op": "hello", "token": "ana"})).await;
    assert_eq!(client.close_code().await, 4503);
    scene.end().await;
    let mut client = scene.connect().await;
    client.send(&hello).await;
    assert_eq!(client.close_code().await, 4410);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_stays_away_is_told_as_over_capacity() {
    let scene = Scene::open().await;
    scene.world.bus.away.store(true, Ordering::Relaxed);
    scene.restart(&format!("stream/{}", scene.stream.id));
    let mut client = scene.connect().await;
    client.send(&json!({"op": "hello"})).await;
    assert_eq!(client.close_code().await, 4503);
}
