//! What the routes answer when all is well, and when the caller may not.

use axum::body::Body;
use axum::http::header;
use serde_json::{Value, json};

use super::edge::{Setup, TOKEN, TestEdge, request};

fn stream() -> Value {
    json!({"title": "First light", "category": "music"})
}

#[tokio::test]
async fn null_empties_what_may_be_empty_and_is_refused_elsewhere() {
    let edge = TestEdge::new().await;
    let start = json!({"title": "First light", "category": "music", "description": "Until dawn"});
    let started = edge.call("ana", "POST", "/api/v1/streams", start).await;
    let path = started.header("location").to_owned();
    for field in ["title", "category"] {
        edge.call("ana", "PATCH", &path, json!({field: null}))
            .await
            .refused_field(field);
    }
    let kept = edge.get(&path).await.ok(200);
    assert_eq!(kept, started.ok(201), "a refused change changes nothing");
    let emptied = edge
        .call("ana", "PATCH", &path, json!({"description": null}))
        .await
        .ok(200);
    assert_eq!(emptied["description"], "");
    assert_eq!(emptied["title"], "First light");
}

#[tokio::test]
async fn a_stream_lives_and_ends() {
    let edge = TestEdge::new().await;
    let started = edge.call("ana", "POST", "/api/v1/streams", stream()).await;
    let body = started.ok(201);
    let path = started.header("location").to_owned();
    assert_eq!(
        path,
        format!("/api/v1/streams/{}", body["stream_id"].as_str().unwrap())
    );
    assert_eq!(body["status"], "live");
    assert_eq!(body["creator"]["username"], "ana");
    assert!(body["ws_url"].as_str().unwrap().starts_with("/ws/v1/streams/"));

    let again = edge.call("ana", "POST", "/api/v1/streams", stream()).await;
    assert_eq!(again.problem(409, "already_live")["stream_id"], body["stream_id"]);

    let patch = json!({"title": "Second light", "thumbnail_url": "https://example.com/a.png"});
    let patched = edge.call("ana", "PATCH", &path, patch).await.ok(200);
    assert_eq!(patched["title"], "Second light");
    assert_eq!(patched["category"], "music");
    let patched = edge
        .call("ana", "PATCH", &path, json!({"thumbnail_url": null}))
        .await
        .ok(200);
    assert_eq!(patched["thumbnail_url"], Value::Null);
    assert_eq!(patched["title"], "Second light");

    for (method, path, body) in [
        ("PATCH", path.clone(), json!({"title": "x"})),
        ("POST", format!("{path}/end"), Value::Null),
        ("POST", format!("{path}/heartbeat"), Value::Null),
    ] {
        edge.call("ben", method, &path, body)
            .await
            .problem(403, "forbidden");
    }
    edge.call("ana", "POST", &format!("{path}/heartbeat"), Value::Null)
        .await
        .ok(204);

    let ended = edge
        .call("ana", "POST", &format!("{path}/end"), Value::Null)
        .await
        .ok(200);
    assert_eq!(ended["status"], "ended");
    assert_eq!(ended["ended_reason"], "ended");
    let twice = edge
        .call("ana", "POST", &format!("{path}/end"), Value::Null)
        .await
        .ok(200);
    assert_eq!(twice, ended);
    edge.call("ana", "PATCH", &path, json!({"title": "x"}))
        .await
        .problem(409, "stream_ended");
    edge.call("ana", "POST", &format!("{path}/heartbeat"), Value::Null)
        .await
        .problem(409, "stream_ended");
    assert_eq!(edge.get(&path).await.ok(200), ended);
}

#[tokio::test]
async fn the_list_echoes_the_page_that_it_took() {
    let edge = TestEdge::new().await;
    edge.call("ana", "POST", "/api/v1/streams", stream())
        .await
        .ok(201);
    edge.call(
        "ben",
        "POST",
        "/api/v1/streams",
        json!({"title": "t", "category": "gaming"}),
    )
    .await
    .ok(201);

    let all = edge.get("/api/v1/streams?unknown=1").await.ok(200);
    assert_eq!(
        (&all["total"], &all["page"], &all["limit"]),
        (&json!(2), &json!(1), &json!(20))
    );
    assert_eq!(all["streams"][0]["creator"]["username"], "ben");
    let music = edge.get("/api/v1/streams?category=music").await.ok(200);
    assert_eq!(music["total"], 1);
    assert_eq!(music["streams"][0]["title"], "First light");
    let past = edge.get("/api/v1/streams?page=9&limit=500").await.ok(200);
    assert_eq!(past, json!({"streams": [], "total": 2, "page": 9, "limit": 100}));
    let low = edge
        .get("/api/v1/streams?page=-9223372036854775808&limit=0")
        .await
        .ok(200);
    assert_eq!((&low["page"], &low["limit"]), (&json!(1), &json!(1)));
    let high = edge.get("/api/v1/streams?page=9223372036854775807").await.ok(200);
    assert_eq!((&high["streams"], &high["total"]), (&json!([]), &json!(2)));
}

#[tokio::test]
async fn a_repeated_key_gives_the_same_answer_and_says_so() {
    let edge = TestEdge::new().await;
    let post = async |key: &str, text: &str| {
        let body = json!({"text": text}).to_string();
        let request = request("POST", "/api/v1/posts")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}ana"))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("idempotency-key", key)
            .body(Body::from(body));
        edge.send(request.unwrap()).await
    };
    let first = post("k-1", "hello").await;
    let second = post("\"k-1\"", "hello").await;
    assert_eq!(first.ok(201), second.ok(201));
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(first.header("location"), second.header("location"));
    post("k-1", "other").await.problem(422, "idempotency_conflict");
    for bad in ["", "a b", &"x".repeat(256)] {
        post(bad, "hello").await.refused_field("Idempotency-Key");
    }
}

#[tokio::test]
async fn posts_are_liked_listed_and_deleted() {
    let edge = TestEdge::new().await;
    let ana = edge.id_of("ana").await;
    for n in 0..5 {
        edge.call(
            "ana",
            "POST",
            "/api/v1/posts",
            json!({"text": format!("post {n}")}),
        )
        .await
        .ok(201);
    }
    let list = format!("/api/v1/users/{ana}/posts?limit=2");
    let mut texts = Vec::new();
    let mut path = list.clone();
    loop {
        let page = edge.get(&path).await.ok(200);
        let items = page["items"].as_array().unwrap();
        texts.extend(items.iter().map(|post| post["text"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{list}&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(texts, ["post 4", "post 3", "post 2", "post 1", "post 0"]);

    let page = edge.get(&list).await.ok(200);
    let post = format!("/api/v1/posts/{}", page["items"][0]["post_id"].as_str().unwrap());
    for _ in 0..2 {
        edge.call("ben", "PUT", &format!("{post}/like"), Value::Null)
            .await
            .ok(204);
    }
    let seen = edge.call("ben", "GET", &post, Value::Null).await.ok(200);
    assert_eq!(
        (&seen["likes"], &seen["liked"], &seen["shares"]),
        (&json!(1), &json!(true), &json!(0))
    );
    assert_eq!(edge.get(&post).await.ok(200)["liked"], false);
    edge.call("ben", "DELETE", &format!("{post}/like"), Value::Null)
        .await
        .ok(204);
    edge.call("ben", "DELETE", &post, Value::Null)
        .await
        .problem(403, "forbidden");
    edge.call("ana", "DELETE", &post, Value::Null).await.ok(204);
    edge.get(&post).await.problem(404, "not_found");

    let cursor = page["next_cursor"].as_str().unwrap();
    let ben = edge.id_of("ben").await;
    for bad in [
        format!("/api/v1/users/{ana}/posts?cursor=x"),
        format!("/api/v1/users/{ana}/posts?cursor={cursor}A"),
        format!("/api/v1/users/{ben}/posts?cursor={cursor}"),
    ] {
        edge.get(&bad).await.problem(400, "cursor_invalid");
    }
}

#[tokio::test]
async fn people_follow_each_other_but_not_themselves() {
    let edge = TestEdge::new().await;
    let (ana, ben) = (edge.id_of("ana").await, edge.id_of("ben").await);
    let follow = format!("/api/v1/users/{ben}/follow");
    for _ in 0..2 {
        edge.call("ana", "PUT", &follow, Value::Null).await.ok(204);
    }
    let profile = edge.get(&format!("/api/v1/users/{ben}")).await.ok(200);
    assert_eq!(
        (&profile["followers"], &profile["following"]),
        (&json!(1), &json!(0))
    );
    edge.call("ana", "DELETE", &follow, Value::Null).await.ok(204);
    let profile = edge.get(&format!("/api/v1/users/{ben}")).await.ok(200);
    assert_eq!(profile["followers"], 0);
    let oneself = format!("/api/v1/users/{ana}/follow");
    edge.call("ana", "PUT", &oneself, Value::Null)
        .await
        .problem(400, "validation_error");
}

#[tokio::test]
async fn the_feed_shows_what_a_followed_person_posts_and_explains_it() {
    let edge = TestEdge::new().await;
    let ben = edge.id_of("ben").await;
    edge.call("ana", "PUT", &format!("/api/v1/users/{ben}/follow"), Value::Null)
        .await
        .ok(204);
    let post = edge
        .call("ben", "POST", "/api/v1/posts", json!({"text": "news"}))
        .await
        .ok(201);
    let shown = async {
        loop {
            edge.call("ana", "POST", "/api/v1/feed/invalidate", Value::Null)
                .await
                .ok(204);
            let page = edge
                .call("ana", "GET", "/api/v1/feed?limit=5", Value::Null)
                .await
                .ok(200);
            if page["items"][0]["post_id"] == post["post_id"] {
                return page;
            }
            tokio::task::yield_now().await;
        }
    };
    let page = tokio::time::timeout(std::time::Duration::from_secs(10), shown)
        .await
        .unwrap();
    let item = &page["items"][0];
    assert_eq!(
        (&item["kind"], &item["author"]["username"]),
        (&json!("post"), &json!("ben"))
    );
    assert!(item["score"].is_number() && item["source"].is_array() && item["reasons"].is_array());
    assert!(page["watermark"].as_object().unwrap().contains_key("cdc"));
    for field in [
        "ranker",
        "rung",
        "relaxed",
        "degraded",
        "newer_available",
        "next_cursor",
    ] {
        assert!(page.get(field).is_some(), "{field}");
    }
    let explain = format!(
        "/api/v1/feed/explain?post_id={}",
        post["post_id"].as_str().unwrap()
    );
    let why = edge.call("ana", "GET", &explain, Value::Null).await.ok(200);
    assert_eq!(why["post_id"], post["post_id"]);
    assert!(why["parts"]["freshness"].is_number() && why["inputs"]["age_hours"].is_number());
    edge.call("ana", "GET", "/api/v1/feed?algo=nope", Value::Null)
        .await
        .problem(400, "unknown_ranker");
    edge.call("ana", "GET", "/api/v1/feed?cursor=nope", Value::Null)
        .await
        .problem(400, "cursor_invalid");
    edge.call("ana", "GET", "/api/v1/feed/explain", Value::Null)
        .await
        .refused_field("post_id");
}

#[tokio::test]
async fn chat_of_a_quiet_room_is_an_empty_page() {
    let edge = TestEdge::new().await;
    let body = edge
        .call("ana", "POST", "/api/v1/streams", stream())
        .await
        .ok(201);
    let chat = format!("/api/v1/streams/{}/chat", body["stream_id"].as_str().unwrap());
    for query in ["", "?before=-5", "?before=9223372036854775807&limit=1000"] {
        let page = edge.get(&format!("{chat}{query}")).await.ok(200);
        assert_eq!(page, json!({"messages": [], "next": null}), "{query}");
    }
}

#[tokio::test]
async fn development_tokens_exist_in_development_only() {
    let edge = TestEdge::with(Setup {
        dev: true,
        ..Setup::default()
    })
    .await;
    let body = edge
        .call("ana", "POST", "/api/v1/dev/token", json!({"username": "zoe"}))
        .await
        .ok(200);
    assert_eq!(body["access_token"], format!("{TOKEN}zoe"));
    assert_eq!(body["user_id"], edge.id_of("zoe").await.as_str());
    assert_eq!(body["expires_in"], 60);
    edge.call("ana", "POST", "/api/v1/dev/token", json!({"username": "No!"}))
        .await
        .refused_field("username");
    let production = TestEdge::new().await;
    production
        .call("ana", "POST", "/api/v1/dev/token", json!({"username": "zoe"}))
        .await
        .problem(404, "not_found");
}
