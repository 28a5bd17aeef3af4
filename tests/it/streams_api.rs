//! Live streams over REST, the way a client with curl uses them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Home, Launch, PATIENCE, TestApp, Viewer, eventually};

/// Every field of a stream's full shape.
const STREAM: [&str; 16] = [
    "stream_id",
    "creator",
    "title",
    "description",
    "category",
    "thumbnail_url",
    "status",
    "current_viewers",
    "peak_viewers",
    "unique_viewers",
    "started_at",
    "ended_at",
    "ended_reason",
    "epoch",
    "ws_url",
    "creator",
];

fn assert_stream(stream: &Value) {
    for field in STREAM {
        assert!(stream.get(field).is_some(), "{field} is missing in {stream}");
    }
    for field in ["id", "username", "avatar_url"] {
        assert!(
            stream["creator"].get(field).is_some(),
            "creator.{field} in {stream}"
        );
    }
    let started = stream["started_at"].as_str().unwrap();
    assert!(
        started.len() == 24 && started.ends_with('Z'),
        "RFC 3339 with milliseconds: {started}"
    );
}

fn ids(list: &Value) -> Vec<&str> {
    let streams = list["streams"].as_array().unwrap();
    streams.iter().map(|s| s["stream_id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_live_is_answered_with_the_stream_and_where_it_is() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let body = json!({
        "title": "Evening set", "category": "music", "description": "Slow ones.",
        "thumbnail_url": "https://example.org/set.png", "unheard_of": true,
    });
    let answer = ana.post("/streams").json(&body).send().await;
    let stream = answer.ok(201);
    assert_stream(&stream);
    let id = stream["stream_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/streams/{id}"));
    for (field, value) in [
        ("title", json!("Evening set")),
        ("category", json!("music")),
        ("description", json!("Slow ones.")),
        ("thumbnail_url", json!("https://example.org/set.png")),
        ("status", json!("live")),
        ("current_viewers", json!(0)),
        ("ended_at", Value::Null),
        ("ended_reason", Value::Null),
    ] {
        assert_eq!(stream[field], value, "{field}");
    }
    assert_eq!(stream["creator"]["username"], "ana");
    assert!(
        stream["ws_url"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/ws/v1/streams/{id}"))
    );
    assert_eq!(nova.get(&format!("/streams/{id}")).send().await.ok(200), stream);
    let profile = nova.get(&format!("/users/{}", ana.id)).send().await.ok(200);
    assert_eq!(profile["live_stream_id"], id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_has_creators_and_viewers_newest_first_page_by_page() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let mut newest_first = Vec::new();
    for name in ["ana", "ben", "cleo"] {
        let person = nova.person(name).await;
        newest_first.insert(0, (person.go_live(&format!("{name} is live")).await, name));
    }
    let watched = newest_first[1].0.clone();
    let _viewers = (
        Viewer::anonymous(&nova, &watched).await,
        Viewer::anonymous(&nova, &watched).await,
    );
    let list = eventually("both viewers are counted", Duration::from_secs(2), async || {
        let list = nova.get("/streams").send().await.ok(200);
        let counted = list["streams"][1]["current_viewers"] == 2;
        if counted { Ok(list) } else { Err(list.to_string()) }
    })
    .await;
    assert_eq!(list["total"], 3);
    for (shown, (id, name)) in list["streams"].as_array().unwrap().iter().zip(&newest_first) {
        assert_eq!(shown["stream_id"], id.as_str());
        assert_eq!(shown["creator"]["username"], *name);
        assert_eq!(shown["category"], "music");
        assert!(shown["started_at"].is_string() && shown.get("thumbnail_url").is_some());
    }
    let newest_first: Vec<&str> = newest_first.iter().map(|(id, _)| id.as_str()).collect();
    let first = nova.get("/streams?page=1&limit=2").send().await.ok(200);
    assert_eq!(
        (ids(&first).as_slice(), &first["total"]),
        (&newest_first[..2], &json!(3))
    );
    let second = nova.get("/streams?page=2&limit=2").send().await.ok(200);
    assert_eq!(ids(&second), newest_first[2..]);
    assert_eq!((&second["page"], &second["limit"]), (&json!(2), &json!(2)));
    let beyond = nova.get("/streams?page=900&limit=2").send().await.ok(200);
    assert_eq!((ids(&beyond).len(), &beyond["total"]), (0, &json!(3)));
    let music = nova.get("/streams?category=music&unknown=1").send().await.ok(200);
    assert_eq!(music["total"], 3);
    let talk = nova.get("/streams?category=talk").send().await.ok(200);
    assert_eq!((ids(&talk).len(), &talk["total"]), (0, &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_out_of_range_are_clamped_and_echoed() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    for (query, page, limit) in [
        ("?page=0&limit=0", 1, 1),
        ("?page=-3&limit=-1", 1, 1),
        ("?limit=5000", 1, 100),
        ("", 1, 20),
    ] {
        let list = nova.get(&format!("/streams{query}")).send().await.ok(200);
        assert_eq!(
            (&list["page"], &list["limit"]),
            (&json!(page), &json!(limit)),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_names_the_running_stream() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let first = ana.go_live("The first").await;
    let body = json!({ "title": "The second", "category": "talk" });
    let refused = ana.post("/streams").json(&body).send().await;
    assert_eq!(refused.problem(409, "already_live")["stream_id"], first.as_str());
    ana.end(&first).await;
    let second = ana.post("/streams").json(&body).send().await.ok(201);
    assert_ne!(second["stream_id"], first.as_str());
    assert_ne!(second["epoch"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_starts_at_once_one_succeeds() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let starts = (0..8).map(|n| {
        let body = json!({ "title": format!("Attempt {n}"), "category": "talk" });
        ana.post("/streams").json(&body).send()
    });
    let answers = futures_util::future::join_all(starts).await;
    let started: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(started.len(), 1, "{answers:?}");
    let id = started[0].ok(201)["stream_id"].clone();
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.problem(409, "already_live")["stream_id"], id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_twice_gives_the_same_body_and_nothing_can_be_changed_after() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let id = ana.go_live("Short one").await;
    ana.post(&format!("/streams/{id}/heartbeat")).send().await.ok(204);
    let patch = json!({ "title": "Shorter", "category": "talk" });
    let changed = ana
        .patch(&format!("/streams/{id}"))
        .json(&patch)
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&changed["title"], &changed["category"]),
        (&json!("Shorter"), &json!("talk"))
    );

    let ended = ana.end(&id).await;
    assert_stream(&ended);
    assert_eq!(
        (&ended["status"], &ended["ended_reason"]),
        (&json!("ended"), &json!("ended"))
    );
    assert!(ended["ended_at"].is_string());
    assert_eq!(ana.end(&id).await, ended);
    assert_eq!(nova.get(&format!("/streams/{id}")).send().await.ok(200), ended);
    let late = ana.patch(&format!("/streams/{id}")).json(&patch).send().await;
    late.problem(409, "stream_ended");
    let late = ana.post(&format!("/streams/{id}/heartbeat")).send().await;
    late.problem(409, "stream_ended");
    assert_eq!(nova.get("/streams").send().await.ok(200)["total"], 0);
    let profile = nova.get(&format!("/users/{}", ana.id)).send().await.ok(200);
    assert_eq!(profile["live_stream_id"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_any_life_of_its_owner_is_ended() {
    let home = Home::new();
    let launch = Launch::empty().set("NOVA__STREAMS__ABANDON_AFTER", "2s");
    let nova = TestApp::start(&home, &launch).await;
    let (left, beating, watching) = tokio::join!(nova.person("ana"), nova.person("ben"), nova.person("cleo"));
    let abandoned = left.go_live("Nobody is here").await;
    let kept = beating.go_live("I am here").await;
    let owned = watching.go_live("I watch myself").await;
    let mut owner = watching.watch(&owned).await;
    let mut viewer = Viewer::anonymous(&nova, &abandoned).await;

    let ended = eventually("the abandoned stream ends", PATIENCE, async || {
        beating
            .post(&format!("/streams/{kept}/heartbeat"))
            .send()
            .await
            .ok(204);
        let stream = nova.get(&format!("/streams/{abandoned}")).send().await.ok(200);
        if stream["status"] == "ended" {
            Ok(stream)
        } else {
            Err(stream.to_string())
        }
    })
    .await;
    assert_eq!(ended["ended_reason"], "abandoned");
    assert_eq!(viewer.closes().await, 4410);
    let last = viewer.events.last().expect("the end is told");
    assert_eq!(
        (last.name.as_str(), &last.body["state"]),
        ("status", &json!("ended"))
    );
    assert_eq!(last.body["reason"], "abandoned");
    for id in [&kept, &owned] {
        let stream = nova.get(&format!("/streams/{id}")).send().await.ok(200);
        assert_eq!(stream["status"], "live", "{stream}");
    }
    owner.says("k", "still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_gets_the_same_answer_and_another_body_is_refused() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (ana, ben) = tokio::join!(nova.person("ana"), nova.person("ben"));
    for (path, body, other) in [
        (
            "/streams",
            json!({ "title": "Once", "category": "talk" }),
            json!({ "title": "Twice", "category": "talk" }),
        ),
        ("/posts", json!({ "text": "Once" }), json!({ "text": "Twice" })),
    ] {
        let send = |body: &Value| ana.post(path).idempotency("key-1").json(body).send();
        let first = send(&body).await;
        let made = first.ok(201);
        assert_eq!(first.header("idempotency-replayed"), "", "{first:?}");
        let again = send(&body).await;
        assert_eq!(again.ok(201), made);
        assert_eq!(again.header("idempotency-replayed"), "true", "{again:?}");
        send(&other).await.problem(422, "idempotency_conflict");
        // The key is the user's own.
        let theirs = ben
            .post(path)
            .idempotency("key-1")
            .json(&body)
            .send()
            .await
            .ok(201);
        assert_ne!(theirs, made);
    }
    assert_eq!(nova.get("/streams").send().await.ok(200)["total"], 2);
    let posts = nova.get(&format!("/users/{}/posts", ana.id)).send().await.ok(200);
    assert_eq!(posts["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn someone_elses_stream_cannot_be_changed() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (ana, ben) = tokio::join!(nova.person("ana"), nova.person("ben"));
    let id = ana.go_live("Mine").await;
    let before = nova.get(&format!("/streams/{id}")).send().await.ok(200);
    let patch = json!({ "title": "Taken over" });
    let answers = [
        ben.patch(&format!("/streams/{id}")).json(&patch).send().await,
        ben.post(&format!("/streams/{id}/end")).send().await,
        ben.post(&format!("/streams/{id}/heartbeat")).send().await,
    ];
    for answer in answers {
        answer.problem(403, "forbidden");
    }
    assert_eq!(nova.get(&format!("/streams/{id}")).send().await.ok(200), before);
}
