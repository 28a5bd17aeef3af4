//! A room as its viewers know it: being welcomed, talking, coming back.

mod closing;
mod refusals;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Event, Home, Launch, PATIENCE, TestApp, Viewer, eventually};

const COUNTED: Duration = Duration::from_secs(2);

fn texts(events: &[Event]) -> Vec<(u64, &str)> {
    let chats = events.iter().filter(|event| event.name == "chat");
    chats
        .map(|event| (event.seq, event.body["x"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_welcomed_with_everything_that_a_client_needs() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let viewer = Viewer::anonymous(&nova, &stream).await;
    let welcome = &viewer.welcome;
    assert!(
        welcome["sid"].as_str().is_some_and(|sid| !sid.is_empty()),
        "{welcome}"
    );
    let row = nova.get(&format!("/streams/{stream}")).send().await.ok(200);
    assert_eq!(welcome["epoch"], row["epoch"]);
    assert!(welcome["seq"].is_u64(), "{welcome}");
    assert_eq!(welcome["resume"], "fresh");
    assert_eq!(welcome["hb_ms"], 25_000);
    assert_eq!(
        (
            &welcome["lim"]["frame"],
            &welcome["lim"]["chat"],
            &welcome["lim"]["react"]
        ),
        (&json!(4_096), &json!([5, 10_000]), &json!([10, 1_000]))
    );
    let room = &welcome["room"];
    assert_eq!(
        (&room["state"], &room["title"]),
        (&json!("live"), &json!("Evening set"))
    );
    assert_eq!(room["mode"], json!({ "slow_s": 0, "who": "all" }));
    assert!(room["viewers"].is_u64(), "{welcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_durable_when_it_is_acknowledged_and_everyone_hears_it() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut listener = Viewer::anonymous(&nova, &stream).await;
    let mut speaker = ana.watch(&stream).await;
    let (m, seq) = speaker.says("k-1", "Hello, <b>\"world\"</b> \u{1f3b8}").await;
    let stored = nova.chat(&stream).await;
    assert_eq!(stored.len(), 1, "durable before it is acknowledged");
    listener.until_seq(seq).await;
    speaker.until_seq(seq).await;
    let body = json!({ "m": m, "u": ana.id, "n": "ana", "x": "Hello, <b>\"world\"</b> \u{1f3b8}" });
    for viewer in [&listener, &speaker] {
        let heard = viewer.events.iter().find(|event| event.seq == seq).unwrap();
        assert_eq!((heard.name.as_str(), &heard.body), ("chat", &body));
    }
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&stored[0][field], value, "{field} in the history");
    }
    assert_eq!(stored[0]["seq"], seq);
    assert!(stored[0]["t"].is_u64(), "{}", stored[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_comes_again_gives_the_same_message() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (ana, ben) = tokio::join!(nova.person("ana"), nova.person("ben"));
    let stream = ana.go_live("Evening set").await;
    let (mut first, mut other) = (ana.watch(&stream).await, ben.watch(&stream).await);
    let said = first.says("k-1", "once").await;
    assert_eq!(first.says("k-1", "once").await, said);
    let mut second = ana.watch(&stream).await;
    assert_eq!(second.says("k-1", "once").await, said, "on another connection");
    let theirs = other.says("k-1", "mine").await;
    assert!(
        theirs.0 != said.0 && theirs.1 == said.1 + 1,
        "the key is the user's own"
    );
    let without_key = json!({ "op": "chat", "x": "again" });
    let (one, two) = (
        second.request(without_key.clone()).await,
        second.request(without_key).await,
    );
    assert_ne!(one["m"], two["m"], "without a key nothing is de-duplicated");
    let stored = nova.chat(&stream).await;
    let shown: Vec<_> = stored
        .iter()
        .map(|message| message["x"].as_str().unwrap())
        .collect();
    assert_eq!(shown, ["once", "mine", "again", "again"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_connection_keep_their_order() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty().talkative()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut speaker = ana.watch(&stream).await;
    let mut listener = Viewer::anonymous(&nova, &stream).await;
    for n in 0..40 {
        let frame = json!({ "op": "chat", "id": 1_000 + n, "key": format!("k-{n}"), "x": n.to_string() });
        speaker.send(&frame).await;
    }
    let all = |viewer: &Viewer| texts(&viewer.events).len() == 40;
    speaker.until("all forty, spoken", PATIENCE, all).await;
    listener.until("all forty, heard", PATIENCE, all).await;
    let expected: Vec<String> = (0..40).map(|n: u32| n.to_string()).collect();
    for viewer in [&speaker, &listener] {
        let heard: Vec<&str> = texts(&viewer.events).into_iter().map(|(_, text)| text).collect();
        assert_eq!(heard, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_read_backwards_page_by_page() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty().talkative()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut speaker = ana.watch(&stream).await;
    for n in 0..7 {
        speaker.says(&format!("k-{n}"), &n.to_string()).await;
    }
    let shown = |page: &Value| -> Vec<String> {
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|m| m["x"].as_str().unwrap().to_owned())
            .collect()
    };
    let newest = nova
        .get(&format!("/streams/{stream}/chat?limit=3"))
        .send()
        .await
        .ok(200);
    assert_eq!(shown(&newest), ["4", "5", "6"]);
    let next = newest["next"].as_u64().expect("there are older ones");
    let path = format!("/streams/{stream}/chat?limit=3&before={next}");
    assert_eq!(shown(&nova.get(&path).send().await.ok(200)), ["1", "2", "3"]);
    let all: Vec<_> = nova.chat(&stream).await.iter().map(|m| m["x"].clone()).collect();
    assert_eq!(all, ["0", "1", "2", "3", "4", "5", "6"]);
    ana.end(&stream).await;
    assert_eq!(nova.chat(&stream).await.len(), 7, "kept after the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_gets_every_missed_event_once() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty().talkative()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut speaker = ana.watch(&stream).await;
    let mut viewer = Viewer::anonymous(&nova, &stream).await;
    let (_, seen) = speaker.says("k-0", "before").await;
    viewer.until_seq(seen).await;
    let epoch = viewer.epoch();
    viewer.leave().await;
    let mut newest = seen;
    for n in 1..=60 {
        newest = speaker.says(&format!("k-{n}"), &n.to_string()).await.1;
    }
    let mut back = Viewer::connect(&nova, &stream).await;
    let welcome = back.hello(None, Some((&epoch, seen))).await;
    assert_eq!(
        (&welcome["resume"], &welcome["seq"]),
        (&json!("ok"), &json!(newest))
    );
    assert!(welcome.get("missed").is_none(), "{welcome}");
    let (_, live) = speaker.says("k-live", "after").await;
    back.until_seq(live).await;
    let heard: Vec<&str> = texts(&back.events).into_iter().map(|(_, text)| text).collect();
    let expected: Vec<String> = (1..=60).map(|n| n.to_string()).chain(["after".into()]).collect();
    assert_eq!(heard, expected);

    let mut up_to_date = Viewer::connect(&nova, &stream).await;
    let welcome = up_to_date.hello(None, Some((&epoch, live))).await;
    assert_eq!(
        (&welcome["resume"], &welcome["seq"]),
        (&json!("ok"), &json!(live))
    );
    for (epoch, seq) in [(epoch.as_str(), live + 1), ("another-broadcast", 1)] {
        let mut stranger = Viewer::connect(&nova, &stream).await;
        let welcome = stranger.hello(None, Some((epoch, seq))).await;
        assert_eq!(welcome["resume"], "fresh", "{epoch} {seq}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_are_counted_exactly_within_two_seconds_of_coming_and_going() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut first = Viewer::anonymous(&nova, &stream).await;
    let second = Viewer::anonymous(&nova, &stream).await;
    let one = |viewer: &Viewer| viewer.viewers() == Some(1);
    let two = |viewer: &Viewer| viewer.viewers() == Some(2);
    first.until("two are watching", COUNTED, two).await;
    drop(second);
    first.until("one left without a word", COUNTED, one).await;
    let third = ana.watch(&stream).await;
    first.until("the streamer came", COUNTED, two).await;
    third.leave().await;
    first.until("the streamer left", COUNTED, one).await;
    let row = nova.get(&format!("/streams/{stream}")).send().await.ok(200);
    assert_eq!(
        (&row["current_viewers"], &row["peak_viewers"]),
        (&json!(1), &json!(2))
    );
    let state = first.states.last().unwrap();
    for field in ["rev", "viewers", "watching", "rx"] {
        assert!(state.get(field).is_some(), "{field} in {state}");
    }
    first.leave().await;
    eventually("nobody is left", COUNTED, async || {
        let row = nova.get(&format!("/streams/{stream}")).send().await.ok(200);
        if row["current_viewers"] == 0 {
            Ok(())
        } else {
            Err(row.to_string())
        }
    })
    .await;
    let ended = ana.end(&stream).await;
    assert_eq!(
        (&ended["peak_viewers"], &ended["unique_viewers"]),
        (&json!(2), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_title_is_told_and_shown_to_whoever_comes_later() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let stream = ana.go_live("Evening set").await;
    let mut viewer = Viewer::anonymous(&nova, &stream).await;
    let patch = json!({ "title": "Night set", "category": "talk" });
    ana.patch(&format!("/streams/{stream}"))
        .json(&patch)
        .send()
        .await
        .ok(200);
    let told = |viewer: &Viewer| viewer.events.iter().any(|event| event.name == "info");
    viewer.until("the new title is told", PATIENCE, told).await;
    assert_eq!(viewer.events.last().unwrap().body, patch);
    let late = Viewer::anonymous(&nova, &stream).await;
    assert_eq!(late.welcome["room"]["title"], "Night set");
}
