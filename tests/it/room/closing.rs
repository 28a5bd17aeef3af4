//! How connections end: with a code that says what to do next.

use std::sync::Arc;
use std::time::Duration;

use nova::adapters::clock::SystemClock;
use nova::auth::TokenIssuer;
use nova::data_dir::DataDir;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::harness::{Heard, Home, Launch, Nova, PATIENCE, TestApp, Viewer, eventually, runs_for};

/// Nobody has this id.
const UNKNOWN: &str = "0198aaaa-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_the_last_event_and_then_the_room_closes() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let (mut owner, mut viewer) = (ana.watch(&stream).await, Viewer::anonymous(&nova, &stream).await);
    let (_, said) = owner.says("k", "good night").await;
    ana.end(&stream).await;
    for viewer in [&mut owner, &mut viewer] {
        assert_eq!(viewer.closes().await, 4410);
        let last = viewer.events.last().unwrap();
        assert_eq!((last.name.as_str(), last.seq), ("status", said + 1));
        assert_eq!(last.body, json!({ "state": "ended", "reason": "ended" }));
    }
    let mut late = Viewer::connect(&nova, &stream).await;
    assert_eq!(
        late.try_hello(Some(&ana.token), None).await,
        Heard::Closed(Some(4410))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_cannot_be_trusted_or_placed_closes_with_its_own_code() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut forged = ana.token.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    for token in ["", "not.a.token", &forged] {
        let mut viewer = Viewer::connect(&nova, &stream).await;
        let heard = viewer.try_hello(Some(token), None).await;
        assert_eq!(heard, Heard::Closed(Some(4401)), "{token:?}");
    }
    let mut lost = Viewer::connect(&nova, UNKNOWN).await;
    assert_eq!(lost.try_hello(None, None).await, Heard::Closed(Some(4404)));
    assert_eq!(
        Viewer::anonymous(&nova, &stream).await.welcome["room"]["state"],
        "live"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_not_of_the_protocol_close() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let hellos = [
        r#"{"op":"hello","id":1,"token":7}"#,
        r#"{"op":"hello","id":1,"resume":{"epoch":"e"}}"#,
        r#"{"op":"hello","id":1,"resume":{"epoch":"e","seq":-1}}"#,
        r#"{"op":"hello","id":1,"resume":"yes"}"#,
        r#"{"op":"chat","id":1,"x":"before hello"}"#,
    ];
    for first in hellos {
        let mut viewer = Viewer::connect(&nova, &stream).await;
        viewer.send_message(Message::text(first)).await;
        assert_eq!(viewer.closes().await, 4400, "{first}");
    }
    let bad = [
        Message::text("hello"),
        Message::text("[1,2]"),
        Message::text("\"text\""),
        Message::text("{\"op\":\"chat\""),
        Message::text(""),
        Message::Binary(Bytes::from_static(&[1, 2, 3])),
    ];
    for message in bad {
        let mut viewer = Viewer::anonymous(&nova, &stream).await;
        viewer.send_message(message.clone()).await;
        assert_eq!(viewer.closes().await, 4400, "{message:?}");
        let mut newcomer = Viewer::connect(&nova, &stream).await;
        newcomer.send_message(message.clone()).await;
        assert_eq!(newcomer.closes().await, 4400, "{message:?} instead of hello");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_large_closes_and_the_largest_one_does_not() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let sized = |size: usize| {
        let empty = json!({ "op": "beat", "vis": true, "pad": "" }).to_string().len();
        json!({ "op": "beat", "vis": true, "pad": "x".repeat(size - empty) })
    };
    let mut viewer = ana.watch(&stream).await;
    viewer.send(&sized(4_096)).await;
    viewer.says("k", "still here").await;
    viewer.send(&sized(4_097)).await;
    assert_eq!(viewer.closes().await, 4413);
    let mut viewer = ana.watch(&stream).await;
    viewer.send(&sized(200_000)).await;
    assert_eq!(viewer.closes().await, 4413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_floods_is_told_first_and_then_closed() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut flood = ana.watch(&stream).await;
    for n in 0..5 {
        flood.says(&format!("k-{n}"), "the whole burst").await;
    }
    let refused = flood.chat("k-5", "one more").await;
    assert_eq!(
        (&refused["op"], &refused["code"]),
        (&json!("err"), &json!("rate_limited"))
    );
    assert!(
        refused["retry_ms"]
            .as_u64()
            .is_some_and(|ms| (1..=10_000).contains(&ms)),
        "{refused}"
    );
    assert_eq!(refused["temp"], true);
    for n in 6..40 {
        let key = format!("k-{n}");
        flood
            .send(&json!({ "op": "chat", "id": 900 + n, "key": key, "x": "and more" }))
            .await;
    }
    assert_eq!(flood.closes().await, 4429);
    assert_eq!(
        nova.chat(&stream).await.len(),
        5,
        "refused messages take no place"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_no_hello_is_closed() {
    let home = Home::new();
    let launch = Launch::empty().set("NOVA__ROOMS__HELLO_DEADLINE", "300ms");
    let nova = TestApp::start(&home, &launch).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut silent = Viewer::connect(&nova, &stream).await;
    assert_eq!(silent.closes().await, 4508);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_room_is_kept_alive_and_a_silent_client_is_closed() {
    let home = Home::new();
    let launch = Launch::empty().set("NOVA__ROOMS__HEARTBEAT", "1s");
    let nova = TestApp::start(&home, &launch).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let (mut silent, mut beating) = (ana.watch(&stream).await, Viewer::anonymous(&nova, &stream).await);
    assert_eq!(silent.welcome["hb_ms"], 1_000);
    // Not reading means not answering pings either.
    let beats = async {
        let mut kept_alive = 0;
        while kept_alive < 4 {
            beating.send(&json!({ "op": "beat", "vis": true })).await;
            match beating.hear().await {
                Heard::Frame(frame) => kept_alive += u32::from(frame["op"] == "k"),
                Heard::Closed(code) => panic!("a client that beats is closed with {code:?}"),
            }
        }
    };
    runs_for(PATIENCE, beats)
        .await
        .expect("keepalives in a quiet room");
    assert_eq!(silent.closes().await, 4003);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_pings_are_answered() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut viewer = Viewer::anonymous(&nova, &stream).await;
    viewer
        .send_message(Message::Ping(Bytes::from_static(b"are you there")))
        .await;
    assert_eq!(viewer.hears_pong().await, Bytes::from_static(b"are you there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_order_moves_viewers_and_closes_them_to_come_back() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty().set("NOVA__SHUTDOWN__DRAIN", "5s")).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let (mut owner, mut viewer) = (ana.watch(&stream).await, Viewer::anonymous(&nova, &stream).await);
    let (m, said) = owner.says("k", "a break").await;
    viewer.until_seq(said).await;
    let epoch = viewer.epoch();
    nova.ask_to_stop().await;
    for viewer in [&mut owner, &mut viewer] {
        assert_eq!(viewer.closes().await, 4001);
    }
    assert_eq!(nova.ended().await.code(), Some(0));

    let nova = Nova::start(&home, &Launch::empty()).await;
    let mut back = Viewer::connect(&nova, &stream).await;
    let welcome = back.hello(Some(&ana.token), Some((&epoch, said))).await;
    assert_eq!(
        (&welcome["resume"], welcome["epoch"].as_str()),
        (&json!("ok"), Some(epoch.as_str()))
    );
    let (_, next) = back.says("k-2", "back again").await;
    assert_eq!(next, said + 1, "the sequence goes on");
    assert_eq!(
        back.says("k", "a break").await,
        (m, said),
        "keys outlive the process"
    );
    eventually("the viewer is counted", Duration::from_secs(2), async || {
        let row = nova.get(&format!("/streams/{stream}")).send().await.ok(200);
        if row["current_viewers"] == 1 {
            Ok(())
        } else {
            Err(row.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_token_that_ends_is_told_and_closed_when_it_does() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let key = DataDir::open(&home.data()).unwrap().signing_key().unwrap();
    let issuer = TokenIssuer::new(&key, "nova-dev", "nova", Arc::new(SystemClock));
    let short = issuer.mint_for("ana", Duration::from_secs(3)).unwrap();
    let mut viewer = Viewer::connect(&nova, &stream).await;
    viewer.hello(Some(&short), None).await;
    let mut told = false;
    let code = loop {
        match viewer.hear().await {
            Heard::Frame(frame) => {
                told |= frame["op"] == "expiring" && frame["in_ms"].as_u64() <= Some(60_000)
            }
            Heard::Closed(code) => break code,
        }
    };
    assert_eq!((told, code), (true, Some(4004)));
    // Clocks may differ a little, so it may still be welcome for a moment; it never lets anyone stay.
    let mut late = Viewer::connect(&nova, &stream).await;
    let code = match late.try_hello(Some(&short), None).await {
        Heard::Frame(_) => Some(late.closes().await),
        Heard::Closed(code) => code,
    };
    assert!([Some(4401), Some(4004)].contains(&code), "{code:?}");
}
