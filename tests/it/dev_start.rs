//! `nova dev` as a whole: what is there after starting it, what an operator sees, and how it stops.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Home, Launch, Nova, PATIENCE, Viewer, eventually, topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_data_is_on_the_screen_within_five_seconds_of_the_start() {
    let home = Home::new();
    let began = Instant::now();
    let nova = Nova::start(&home, &Launch::seeded()).await;
    let list = nova.get("/streams").send().await.ok(200);
    let streams = list["streams"].as_array().unwrap();
    assert!(streams.len() >= 3, "{list}");
    for stream in streams {
        assert_ne!(stream["creator"]["username"], "unknown", "{stream}");
        assert!(
            !stream.to_string().contains("http"),
            "no outside pictures: {stream}"
        );
    }
    let reader = nova.person("newcomer").await;
    let feed = reader.feed("").await;
    assert!(!feed["items"].as_array().unwrap().is_empty(), "{feed}");
    let id = streams[0]["stream_id"].as_str().unwrap();
    let mut viewer = Viewer::anonymous(&nova, id).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "took {took:?}");

    let talks = |viewer: &Viewer| viewer.events.iter().any(|event| event.name == "chat");
    viewer.until("the demo world talks", PATIENCE, talks).await;
    let page = nova.at(Method::GET, "/").send().await;
    assert_eq!(page.status, 200, "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'self'") && policy.contains("frame-ancestors"),
        "{policy}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_world_is_made_once_and_tokens_survive_a_restart() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::seeded()).await;
    let ana = nova.person("ana").await;
    let post = ana.write("Before the restart").await;
    let before = nova.get("/streams").send().await.ok(200);
    nova.stop().await;

    let nova = Nova::start(&home, &Launch::seeded()).await;
    let ana = ana.at(&nova.api());
    assert_eq!(ana.get("/users/me").send().await.ok(200)["id"], ana.id.as_str());
    assert_eq!(nova.person("ana").await.id, ana.id);
    let kept = nova.get(&format!("/posts/{post}")).send().await.ok(200);
    assert_eq!(kept["text"], "Before the restart");
    let after = nova.get("/streams").send().await.ok(200);
    let ids = |list: &Value| -> Vec<Value> {
        let streams = list["streams"].as_array().unwrap();
        streams.iter().map(|stream| stream["stream_id"].clone()).collect()
    };
    assert_eq!((ids(&after), &after["total"]), (ids(&before), &before["total"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn internal_routes_exist_on_the_internal_listener_only() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    for path in ["/metrics", "/internal/actors", "/internal"] {
        nova.at(Method::GET, path).send().await.problem(404, "not_found");
    }
    let restart = "/internal/actors/restart?name=relay";
    nova.at(Method::POST, restart)
        .send()
        .await
        .problem(404, "not_found");
    let tree = nova.inside(Method::GET, "/internal/actors").send().await.ok(200);
    for name in [
        "directory",
        "loader:users",
        "loader:streams",
        "loader:posts",
        "relay",
        "cdc",
    ] {
        assert!(
            tree.to_string().contains(&format!("\"name\":\"{name}\"")),
            "{name} in {tree}"
        );
    }
    let unknown = nova
        .inside(Method::POST, "/internal/actors/restart?name=nobody")
        .send()
        .await;
    unknown.problem(404, "not_found");
    nova.inside(Method::POST, "/internal/actors/restart")
        .send()
        .await
        .refuses_field("name");
    // A page in somebody's browser cannot do it.
    let foreign = nova
        .inside(Method::POST, restart)
        .header("origin", "https://example.org")
        .send();
    foreign.await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_what_is_up() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    for path in [
        "/livez",
        "/readyz",
        "/startupz",
        "/api/v1/health",
        "/health/ready",
    ] {
        let health = nova.at(Method::GET, path).send().await.ok(200);
        assert_eq!(health["status"], "ok", "{path}: {health}");
    }
    let ready = nova.at(Method::GET, "/readyz").send().await.ok(200);
    let checks = ready["checks"].as_object().expect("checks");
    assert!(!checks.is_empty(), "{ready}");
    for check in checks.values() {
        assert_eq!(check["status"], "ok", "{ready}");
        assert!(
            check.get("since").is_some() && check.get("detail").is_some(),
            "{ready}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_documented_as_it_is_served() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    let document = nova.at(Method::GET, "/api/v1/openapi.json").send().await.ok(200);
    let documented = document.to_string();
    for path in [
        "/streams/{",
        "/posts",
        "/feed",
        "/feed/explain",
        "/users/me",
        "/dev/token",
        "/chat",
    ] {
        assert!(documented.contains(path), "{path} is not documented");
    }
    let docs = nova.at(Method::GET, "/docs").send().await;
    assert!(docs.status == 200 || docs.status / 100 == 3, "{docs:?}");
    for (old, new) in [
        ("/api-doc/openapi.json", "/api/v1/openapi.json"),
        ("/swagger-ui", "/docs"),
    ] {
        let moved = nova.at(Method::GET, old).send().await;
        assert_eq!(
            (moved.status / 100, moved.header("location")),
            (3, new),
            "{moved:?}"
        );
    }
}

/// Metrics that this work exercises, with the name that each has in the contract.
const EXERCISED: [&str; 21] = [
    "nova_build_info",
    "nova_http_requests_total",
    "nova_http_request_duration_seconds",
    "nova_ws_connections",
    "nova_ws_closed_total",
    "nova_ws_rejected_total",
    "nova_streams_live",
    "nova_room_viewers",
    "nova_room_deliveries_total",
    "nova_room_publish_duration_seconds",
    "nova_actor_restarts_total",
    "nova_actor_handle_duration_seconds",
    "nova_loader_batch_size",
    "nova_loader_fetches_total",
    "nova_publish_total",
    "nova_publish_duration_seconds",
    "nova_pipeline_records_total",
    "nova_feed_duration_seconds",
    "nova_feed_served_total",
    "nova_cache_requests_total",
    "nova_job_runs_total",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_should_not_happen_is_counted_from_zero_on() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    let samples = nova.metrics().await;
    let zero: Vec<_> = samples.series().filter(|(_, value)| *value == 0.0).collect();
    for series in [
        r#"nova_actor_restarts_total{kind="consumer"}"#,
        r#"nova_actor_restarts_total{kind="directory"}"#,
        r#"nova_actor_rejected_total{kind="directory"}"#,
        r#"nova_pipeline_retries_total{pipeline="cdc"}"#,
        r#"nova_pipeline_fenced_total{pipeline="cdc"}"#,
    ] {
        assert!(
            zero.iter().any(|(known, _)| *known == series),
            "{series} is missing"
        );
    }
    nova.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_the_names_of_the_contract_and_move() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    let (ana, ben) = tokio::join!(nova.person("ana"), nova.person("ben"));
    let stream = ana.go_live("Evening set").await;
    let mut viewer = ana.watch(&stream).await;
    let (_, seq) = viewer.says("k", "hello").await;
    viewer.until_seq(seq).await;
    let leaves = ben.watch(&stream).await;
    leaves.leave().await;
    let path = format!("/ws/v1/streams/{stream}");
    assert!(crate::harness::handshake(&nova, &path, None, &[]).await.is_err());
    ben.follow(&ana).await;
    let post = ana.write("hello").await;
    nova.get(&format!("/streams/{stream}")).send().await.ok(200);
    nova.inside(Method::POST, "/internal/actors/restart?name=loader:posts")
        .send()
        .await
        .ok(204);
    eventually("the post is in the feed", PATIENCE, async || {
        let page = ben.feed("").await;
        if page.to_string().contains(&post) {
            Ok(())
        } else {
            Err(page.to_string())
        }
    })
    .await;
    let samples = eventually("every metric is there", PATIENCE, async || {
        let samples = nova.metrics().await;
        let names = samples.names();
        let missing: Vec<_> = EXERCISED.iter().filter(|name| !names.contains(**name)).collect();
        // The one who left is told once a second.
        let gauges = ["nova_ws_connections", "nova_room_viewers", "nova_streams_live"];
        let gauges = gauges.map(|name| samples.sum(name, &[]));
        // A follow, a post and its counters travel behind the answer, too.
        let landed = [("pipeline", "cdc"), ("outcome", "landed")];
        let landed = samples.sum("nova_pipeline_records_total", &landed);
        let acked = samples.sum("nova_publish_total", &[("outcome", "acked")]);
        if missing.is_empty() && gauges == [1.0; 3] && landed >= 3.0 && acked >= 4.0 {
            Ok(samples)
        } else {
            Err(format!(
                "{gauges:?}, {landed} landed, {acked} acked, missing: {missing:?}"
            ))
        }
    })
    .await;
    let created = [("method", "POST"), ("status", "201")];
    assert_eq!(samples.sum("nova_http_requests_total", &created), 2.0);
    assert!(samples.sum("nova_actor_restarts_total", &[]) >= 1.0);
    for (series, _) in samples.series() {
        let an_id = [&stream, &post, &ana.id]
            .into_iter()
            .any(|id| series.contains(id.as_str()));
        assert!(!an_id, "an id is no label: {series}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requests_trace_travels_into_the_headers_of_its_records() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let trace = format!("00-{TRACE}-b7ad6b7169203331-01");
    let body = json!({ "title": "Traced", "category": "talk" });
    let traced = ana
        .post("/streams")
        .header("traceparent", &trace)
        .header("x-request-id", "mine-1");
    let answer = traced.json(&body).send().await;
    assert_eq!(answer.header("x-request-id"), "mine-1");
    let stream = answer.ok(201)["stream_id"].as_str().unwrap().to_owned();
    let post = ana
        .post("/posts")
        .header("traceparent", &trace)
        .json(&json!({ "text": "Traced" }));
    let post = post.send().await.ok(201)["post_id"].as_str().unwrap().to_owned();
    ana.end(&stream).await;
    nova.stop().await;

    let mut streams = topic(&home.data(), "streams").await;
    // A slow acknowledgement makes the relay send again what the log has: the same event, by its id.
    let mut ids = HashSet::new();
    streams.retain(|stored| ids.insert(stored.record.headers.event_id));
    let kinds: Vec<_> = streams
        .iter()
        .map(|stored| stored.record.headers.kind.as_ref())
        .collect();
    assert_eq!(kinds, ["stream.started", "stream.ended"]);
    let started = &streams[0].record;
    assert_eq!(started.key, stream.as_bytes());
    assert_eq!(started.headers.traceparent.trace_id(), TRACE);
    assert_ne!(started.headers.traceparent.as_str(), trace, "a span of its own");
    let value: Value = serde_json::from_slice(started.value.as_ref().unwrap()).unwrap();
    for (field, expected) in [
        ("type", json!("stream.started")),
        ("stream_id", json!(stream)),
        ("creator_id", json!(ana.id)),
        ("title", json!("Traced")),
        ("category", json!("talk")),
        ("event_id", json!(started.headers.event_id.to_string())),
    ] {
        assert_eq!(value[field], expected, "{field} in {value}");
    }
    assert!(value["at_ms"].is_u64(), "{value}");
    assert_ne!(streams[1].record.headers.traceparent.trace_id(), TRACE);

    let posts = topic(&home.data(), "cdc.posts").await;
    assert!(
        posts
            .iter()
            .all(|stored| stored.record.headers.event_id == posts[0].record.headers.event_id)
    );
    assert_eq!(posts[0].record.headers.traceparent.trace_id(), TRACE);
    assert_eq!(posts[0].record.headers.schema_version, 1);
    let envelope: Value = serde_json::from_slice(posts[0].record.value.as_ref().unwrap()).unwrap();
    let change = envelope.get("payload").unwrap_or(&envelope);
    assert_eq!(
        (&change["op"], &change["after"]["id"]),
        (&json!("c"), &json!(post))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_order_says_so_and_finishes_what_was_asked_before() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty()).await;
    let ana = nova.person("ana").await;
    let writes = (0..30).map(|n| {
        let body = json!({ "text": format!("Number {n}") });
        ana.post("/posts").json(&body).try_send()
    });
    let writes = async { futures_util::future::join_all(writes).await };
    let (answers, ()) = tokio::join!(writes, nova.ask_to_stop());
    let began = Instant::now();
    assert_eq!(nova.ended().await.code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "nothing was left to wait for"
    );
    let logged = home.logged();
    assert!(
        logged.contains("Nova ready") && logged.contains("CDC consumer started"),
        "{logged}"
    );
    assert!(!logged.contains("panicked"), "{logged}");

    let nova = Nova::start(&home, &Launch::empty()).await;
    let mut written = 0;
    for answer in answers
        .into_iter()
        .flatten()
        .filter(|answer| answer.status == 201)
    {
        let post = answer.ok(201);
        let path = format!("/posts/{}", post["post_id"].as_str().unwrap());
        assert_eq!(nova.get(&path).send().await.ok(200)["text"], post["text"]);
        written += 1;
    }
    assert!(written > 0, "some of the writes came before the stop");
}
