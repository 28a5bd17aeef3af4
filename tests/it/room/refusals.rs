//! Requests in a room that are refused, with a reason and without any effect.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::harness::{Heard, Home, Launch, TestApp, Viewer, handshake};

/// The connection has answered `err` with the code; the field, where the refusal names one.
async fn refused(viewer: &mut Viewer, frame: Value, code: &str, field: Option<&str>) {
    let answer = viewer.request(frame.clone()).await;
    assert_eq!(
        (&answer["op"], &answer["code"]),
        (&json!("err"), &json!(code)),
        "{frame}: {answer}"
    );
    assert!(answer["temp"].is_boolean(), "{answer}");
    if let Some(field) = field {
        assert_eq!(answer["field"], field, "{frame}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_one_may_only_watch() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut viewer = Viewer::anonymous(&nova, &stream).await;
    let chat = json!({ "op": "chat", "key": "k", "x": "hello" });
    refused(&mut viewer, chat, "auth_required", None).await;
    let mut owner = ana.watch(&stream).await;
    let (_, seq) = owner.says("k", "hello").await;
    viewer.until_seq(seq).await;
    assert_eq!(nova.chat(&stream).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_chat_names_its_field_and_takes_no_place() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty().talkative()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut viewer = ana.watch(&stream).await;
    let (_, before) = viewer.says("k", &"\u{e9}".repeat(500)).await;
    let table = [
        (json!({ "op": "chat", "key": "a" }), "bad_frame", Some("x")),
        (
            json!({ "op": "chat", "key": "a", "x": 7 }),
            "bad_frame",
            Some("x"),
        ),
        (
            json!({ "op": "chat", "key": "a", "x": null }),
            "bad_frame",
            Some("x"),
        ),
        (
            json!({ "op": "chat", "key": "a", "x": ["hi"] }),
            "bad_frame",
            Some("x"),
        ),
        (
            json!({ "op": "chat", "key": "a", "x": "nul \u{0} nul" }),
            "bad_frame",
            Some("x"),
        ),
        (
            json!({ "op": "chat", "key": 7, "x": "hi" }),
            "bad_frame",
            Some("key"),
        ),
    ];
    for (frame, code, field) in table {
        refused(&mut viewer, frame, code, field).await;
    }
    refused(
        &mut viewer,
        json!({ "op": "chat", "key": "a", "x": "" }),
        "empty",
        None,
    )
    .await;
    refused(
        &mut viewer,
        json!({ "op": "chat", "key": "a", "x": " \n\t " }),
        "empty",
        None,
    )
    .await;
    let long = json!({ "op": "chat", "key": "a", "x": "\u{e9}".repeat(501) });
    refused(&mut viewer, long, "too_long", None).await;
    let (_, after) = viewer.says("last", "and a good one").await;
    assert_eq!(after, before + 1);
    assert_eq!(nova.chat(&stream).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_requests_and_a_second_hello_are_answered() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut viewer = ana.watch(&stream).await;
    refused(&mut viewer, json!({ "op": "dance" }), "unknown_op", None).await;
    refused(
        &mut viewer,
        json!({ "op": "hello", "token": ana.token }),
        "bad_frame",
        None,
    )
    .await;
    for frame in [json!({ "op": 7 }), json!({ "no": "op" }), json!({ "op": null })] {
        refused(&mut viewer, frame, "bad_frame", Some("op")).await;
    }
    // Fields that nobody knows are no harm.
    let chat = json!({ "op": "chat", "key": "k", "x": "hello", "colour": { "r": 1 } });
    assert_eq!(viewer.request(chat).await["op"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_without_an_id_is_still_heard() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut viewer = ana.watch(&stream).await;
    viewer.send_message(Message::text(r#"{"op":"chat"}"#)).await;
    let err = loop {
        match viewer.hear().await {
            Heard::Frame(frame) if frame["op"] == "err" => break frame,
            Heard::Frame(_) => {}
            Heard::Closed(code) => panic!("closed with {code:?}"),
        }
    };
    assert_eq!(
        (&err["code"], err.get("re")),
        (&json!("bad_frame"), None),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_without_the_protocol_or_from_a_foreign_page_is_refused() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let path = format!("/ws/v1/streams/{stream}");
    let own = format!("http://{}", nova.public());
    for (protocol, origin, status) in [
        (None, own.as_str(), 400),
        (Some("nova.v9"), own.as_str(), 400),
        (Some("nova.v1"), "https://example.org", 403),
    ] {
        let refused = handshake(&nova, &path, protocol, &[("origin", origin)]).await;
        let Err(WsError::Http(response)) = refused else {
            panic!("{protocol:?} from {origin} was not refused over HTTP");
        };
        assert_eq!(response.status().as_u16(), status, "{protocol:?} from {origin}");
        let body = response.body().as_deref().unwrap_or_default();
        let document: Value = serde_json::from_slice(body).expect("a problem document");
        assert_eq!(document["status"], status, "{document}");
    }
    handshake(&nova, &path, Some("nova.v1"), &[("origin", &own)])
        .await
        .expect("one's own page may watch");
}
