//! Every class of bad input, and the document that answers it.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use serde_json::{Value, json};

use super::edge::{Setup, TOKEN, TestEdge, request};

const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

async fn post(edge: &TestEdge, path: &str, kind: Option<&str>, body: impl Into<Body>) -> super::edge::Answer {
    let mut request = request("POST", path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}ana"));
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    edge.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn bodies_that_are_no_json_are_malformed() {
    let edge = TestEdge::new().await;
    for body in [
        &b""[..],
        b"{",
        b"nope",
        b"{\"text\":\"a\"}}",
        b"{\"text\":\"\xff\xfe\"}",
    ] {
        post(&edge, "/api/v1/posts", Some("application/json"), body)
            .await
            .problem(400, "malformed_json");
    }
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let edge = TestEdge::new().await;
    for (body, field) in [
        (json!({}), "text"),
        (json!({"text": 5}), "text"),
        (json!({"text": null}), "text"),
        (json!({"text": ["a"]}), "text"),
        (json!({"text": "  "}), "text"),
        (json!({"text": "a\0b"}), "text"),
        (json!({"text": "x".repeat(2_001)}), "text"),
        (json!({"text": "a", "media_url": 7}), "media_url"),
        (
            json!({"text": "a", "media_url": "javascript:alert(1)"}),
            "media_url",
        ),
        (json!([1]), "body"),
    ] {
        edge.call("ana", "POST", "/api/v1/posts", body)
            .await
            .refused_field(field);
    }
    let unknown = json!({"title": "t", "category": "nope"});
    edge.call("ana", "POST", "/api/v1/streams", unknown)
        .await
        .refused_field("category");
    let both = json!({"title": "", "category": "nope"});
    let document = edge
        .call("ana", "POST", "/api/v1/streams", both)
        .await
        .problem(400, "validation_error");
    assert_eq!(document["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn wrong_query_parameters_are_named() {
    let edge = TestEdge::new().await;
    for (query, field) in [
        ("page=x", "page"),
        ("page=", "page"),
        ("page=1.5", "page"),
        ("limit=99999999999999999999", "limit"),
        ("limit=-99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=%00", "limit"),
        ("limit=%ff%fe", "limit"),
        ("page=%", "page"),
        ("category=nope", "category"),
        ("category=", "category"),
        ("category=%00", "category"),
        ("category=music&category=music", "category"),
        ("category=%ff", "category"),
    ] {
        edge.get(&format!("/api/v1/streams?{query}"))
            .await
            .refused_field(field);
    }
    let me = edge.id_of("ana").await;
    edge.get(&format!("/api/v1/users/{me}/posts?limit=x"))
        .await
        .refused_field("limit");
}

#[tokio::test]
async fn oversized_and_foreign_bodies_are_refused() {
    let edge = TestEdge::new().await;
    let big = json!({"text": "x".repeat(300 * 1024)}).to_string();
    post(&edge, "/api/v1/posts", Some("application/json"), big.clone())
        .await
        .problem(413, "too_large");
    // Without a length, the limit is met while reading.
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(big)]);
    post(
        &edge,
        "/api/v1/posts",
        Some("application/json"),
        Body::from_stream(chunks),
    )
    .await
    .problem(413, "too_large");
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        post(&edge, "/api/v1/posts", kind, r#"{"text":"a"}"#)
            .await
            .problem(415, "unsupported_media_type");
    }
    for (encoding, status) in [("gzip", 415), ("br", 415), ("identity", 201)] {
        let packed = request("POST", "/api/v1/posts")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}ana"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, encoding)
            .body(Body::from(r#"{"text":"a"}"#));
        let answer = edge.send(packed.unwrap()).await;
        match status {
            415 => drop(answer.problem(415, "unsupported_media_type")),
            _ => drop(answer.ok(status)),
        }
    }
}

#[tokio::test]
async fn tokens_are_needed_where_something_is_ones_own() {
    let edge = TestEdge::new().await;
    for (method, path) in [
        ("POST", "/api/v1/streams".to_owned()),
        ("POST", "/api/v1/posts".to_owned()),
        ("GET", "/api/v1/users/me".to_owned()),
        ("GET", "/api/v1/feed".to_owned()),
        ("POST", "/api/v1/feed/invalidate".to_owned()),
        ("PUT", format!("/api/v1/posts/{NOBODY}/like")),
        ("PUT", format!("/api/v1/users/{NOBODY}/follow")),
    ] {
        let answer = edge
            .send(request(method, &path).body(Body::empty()).unwrap())
            .await;
        answer.problem(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    for bad in [
        "Bearer wrong",
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        "token",
        "Bearer \u{e9}",
    ] {
        let request = request("GET", "/api/v1/streams").header(header::AUTHORIZATION, bad);
        edge.send(request.body(Body::empty()).unwrap())
            .await
            .problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let edge = TestEdge::new().await;
    for path in [
        "/nope".to_owned(),
        "/api/v1/nope".to_owned(),
        "/api/v1".to_owned(),
        "/metrics".to_owned(),
        "/internal/actors".to_owned(),
        "/docs/nope".to_owned(),
        format!("/api/v1/streams/{NOBODY}"),
        format!("/api/v1/streams/{NOBODY}/chat"),
        format!("/api/v1/posts/{NOBODY}"),
        format!("/api/v1/users/{NOBODY}"),
        format!("/api/v1/users/{NOBODY}/posts"),
        "/api/v1/streams/nope".to_owned(),
        "/api/v1/streams/%00".to_owned(),
        "/api/v1/streams/%ff".to_owned(),
        format!("/api/v1/streams/%7B{NOBODY}%7D"),
        format!("/api/v1/streams/{}", NOBODY.replace('-', "")),
    ] {
        edge.get(&path).await.problem(404, "not_found");
    }
    for (method, path) in [
        ("POST", format!("/api/v1/streams/{NOBODY}/end")),
        ("POST", format!("/api/v1/streams/{NOBODY}/heartbeat")),
        ("DELETE", format!("/api/v1/posts/{NOBODY}")),
        ("PUT", format!("/api/v1/posts/{NOBODY}/like")),
        ("PUT", format!("/api/v1/users/{NOBODY}/follow")),
    ] {
        edge.call("ana", method, &path, Value::Null)
            .await
            .problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let edge = TestEdge::new().await;
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/streams", vec!["GET", "HEAD", "POST"]),
        ("GET", "/api/v1/posts", vec!["POST"]),
        ("PUT", "/api/v1/feed", vec!["GET", "HEAD"]),
        ("OPTIONS", "/api/v1/feed", vec!["GET", "HEAD"]),
        ("BREW", "/livez", vec!["GET", "HEAD"]),
    ] {
        let answer = edge
            .send(request(method, path).body(Body::empty()).unwrap())
            .await;
        answer.problem(405, "method_not_allowed");
        let mut allow: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_says_nothing() {
    let more = Router::new().route(
        "/panics",
        get(async || -> &'static str { panic!("secret at table users") }),
    );
    let edge = TestEdge::with(Setup {
        more,
        ..Setup::default()
    })
    .await;
    let answer = edge.get("/panics").await;
    answer.problem(500, "internal_error");
    assert!(!answer.text().contains("secret"));
}

#[tokio::test]
async fn request_ids_are_taken_over_when_they_are_clean() {
    let edge = TestEdge::new().await;
    let with = async |id: &[u8]| {
        let id = HeaderValue::from_bytes(id).unwrap();
        let request = request("GET", "/api/v1/streams").header("x-request-id", id);
        let answer = edge.send(request.body(Body::empty()).unwrap()).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(with(b"abc-1.2_3:4").await, "abc-1.2_3:4");
    for bad in [&b"a b"[..], b"<script>", b"\xff", &[b'x'; 129], b""] {
        let id = with(bad).await;
        assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
    }
}

#[tokio::test]
async fn answers_are_neither_kept_nor_sniffed_nor_framed() {
    let edge = TestEdge::new().await;
    for path in ["/api/v1/streams", "/nope", "/livez"] {
        let answer = edge.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn only_allowed_origins_may_read() {
    let mut setup = Setup::default();
    setup.settings.allowed_origins = vec![HeaderValue::from_static("https://good.example")];
    let edge = TestEdge::with(setup).await;
    let from = async |method: &str, path: &str, origin: &str| {
        let request = request(method, path)
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        edge.send(request.body(Body::empty()).unwrap()).await
    };
    let allowed = |answer: &super::edge::Answer| answer.header("access-control-allow-origin").to_owned();
    assert_eq!(
        allowed(&from("GET", "/api/v1/streams", "https://good.example").await),
        "https://good.example"
    );
    assert_eq!(
        allowed(&from("GET", "/nope", "https://good.example").await),
        "https://good.example"
    );
    assert_eq!(
        allowed(&from("GET", "/api/v1/streams", "https://evil.example").await),
        ""
    );
    let preflight = from("OPTIONS", "/api/v1/streams", "https://good.example").await;
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    assert_eq!(
        allowed(&from("OPTIONS", "/api/v1/streams", "https://evil.example").await),
        ""
    );
}
