//! Health, documents and the internal listener.

use axum::body::Body;
use axum::http::header;
use metrics_exporter_prometheus::PrometheusBuilder;
use nova::http::{CheckStatus, Phase, internal_router};
use serde_json::Value;

use super::edge::{Answer, TOKEN, TestEdge, request, send};

#[tokio::test]
async fn health_follows_the_process() {
    let edge = TestEdge::new().await;
    let readiness = &edge.state.readiness;
    for path in [
        "/livez",
        "/readyz",
        "/startupz",
        "/api/v1/health",
        "/health/ready",
    ] {
        assert_eq!(edge.get(path).await.ok(200)["status"], "ok", "{path}");
    }
    readiness.report("analytics", CheckStatus::Down, Some("no answer".into()));
    let body = edge.get("/readyz").await.ok(200);
    assert_eq!(body["status"], "degraded");
    assert_eq!(body["checks"]["analytics"]["status"], "down");
    assert_eq!(body["checks"]["analytics"]["detail"], "no answer");
    assert!(
        body["checks"]["analytics"]["since"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    readiness.enter(Phase::Draining);
    let answer = edge.get("/readyz").await;
    assert_eq!(answer.ok(503)["status"], "draining");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("retry-after").is_empty());
    edge.get("/livez").await.ok(200);
    edge.get("/startupz").await.ok(200);
}

struct Internal {
    router: axum::Router,
    _edge: TestEdge,
}

impl Internal {
    async fn new() -> Self {
        let edge = TestEdge::new().await;
        let recorder = PrometheusBuilder::new().build_recorder();
        let router = internal_router(&edge.state, edge.system.tree(), recorder.handle());
        Self { router, _edge: edge }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let request = request(method, path).body(Body::empty()).unwrap();
        send(self.router.clone(), request).await
    }
}

#[tokio::test]
async fn the_internal_listener_shows_figures_and_actors() {
    let internal = Internal::new().await;
    let metrics = internal.ask("GET", "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4");
    internal.ask("GET", "/readyz").await.ok(200);
    internal
        .ask("GET", "/api/v1/streams")
        .await
        .problem(404, "not_found");
    let tree = internal.ask("GET", "/internal/actors").await.ok(200);
    let mut names = Vec::new();
    collect(&tree["actors"], &mut names);
    for name in ["directory", "loader:users", "relay", "cdc"] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn requests_are_counted_under_their_route_and_never_under_their_path() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    let edge = TestEdge::new().await;
    let id = uuid::Uuid::now_v7();
    edge.get(&format!("/api/v1/streams/{id}")).await.ok(404);
    edge.get(&format!("/nope/{id}")).await.ok(404);
    let brew = request("BREW", "/api/v1/streams").body(Body::empty()).unwrap();
    edge.send(brew).await.ok(405);
    let figures = handle.render();
    for labels in [
        r#"route="/api/v1/streams/{id}",method="GET",status="404""#,
        r#"route="unmatched",method="GET",status="404""#,
        r#"route="/api/v1/streams",method="OTHER",status="405""#,
    ] {
        let line = format!("nova_http_requests_total{{{labels}}} 1");
        assert!(figures.contains(&line), "{line} in {figures}");
    }
    assert!(figures.contains("nova_http_request_duration_seconds"));
    assert!(!figures.contains(&id.to_string()));
}

fn collect(actors: &Value, names: &mut Vec<String>) {
    for actor in actors.as_array().unwrap() {
        for field in [
            "kind", "state", "restarts", "mailbox", "rejected", "uptime_s", "snapshot",
        ] {
            assert!(actor.get(field).is_some(), "{field}");
        }
        names.push(actor["name"].as_str().unwrap().to_owned());
        collect(&actor["children"], names);
    }
}

#[tokio::test]
async fn a_named_actor_can_be_restarted_but_not_by_a_browser() {
    let internal = Internal::new().await;
    let path = "/internal/actors/restart";
    internal.ask("POST", path).await.refused_field("name");
    internal
        .ask("POST", "/internal/actors/restart?name=nobody")
        .await
        .problem(404, "not_found");
    internal
        .ask("GET", "/internal/actors/restart?name=relay")
        .await
        .problem(405, "method_not_allowed");
    let foreign =
        request("POST", "/internal/actors/restart?name=relay").header(header::ORIGIN, "https://evil.example");
    send(internal.router.clone(), foreign.body(Body::empty()).unwrap())
        .await
        .problem(403, "forbidden");
    internal
        .ask("POST", "/internal/actors/restart?name=relay")
        .await
        .ok(204);
}

#[tokio::test]
async fn documents_have_a_strict_policy_and_old_addresses_redirect() {
    let edge = TestEdge::new().await;
    for path in ["/docs", "/docs/problems"] {
        let page = edge.get(path).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        for part in ["base-uri", "frame-ancestors"] {
            assert!(policy.contains(part), "{policy}");
        }
        for banned in ["unsafe", "http:", "https:", "data:", "*"] {
            assert!(!policy.contains(banned), "{policy}");
        }
        assert!(!page.text().contains("<style") && !page.text().contains("<script>"));
    }
    for (path, to) in [
        ("/api-doc/openapi.json", "/api/v1/openapi.json"),
        ("/swagger-ui", "/docs"),
        ("/swagger-ui/", "/docs"),
        ("/docs/", "/docs"),
    ] {
        let answer = edge.get(path).await;
        assert!(answer.status.is_redirection());
        assert_eq!(answer.header("location"), to);
    }
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "start.js", "docs.css"] {
        let answer = edge.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_can_read_them() {
    let edge = TestEdge::new().await;
    let packed = request("GET", "/api/v1/openapi.json").header(header::ACCEPT_ENCODING, "gzip");
    let packed = edge.send(packed.body(Body::empty()).unwrap()).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let plain = edge.get("/api/v1/openapi.json").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(packed.body.len() * 2 < plain.body.len());
}

#[tokio::test]
async fn an_encoding_that_is_not_to_be_had_changes_no_status() {
    let edge = TestEdge::new().await;
    for accepted in [
        "*;q=0",
        "identity;q=0",
        "br, *; Q=0.0",
        "gzip;q=0, identity;q=0.000",
    ] {
        let post = request("POST", "/api/v1/posts")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}ana"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_ENCODING, accepted)
            .body(Body::from(r#"{"text":"hello"}"#));
        edge.send(post.unwrap()).await.ok(201);
        let nowhere = request("GET", "/nowhere").header(header::ACCEPT_ENCODING, accepted);
        let nowhere = edge.send(nowhere.body(Body::empty()).unwrap()).await;
        nowhere.problem(404, "not_found");
    }
    let packed = request("GET", "/api/v1/openapi.json").header(header::ACCEPT_ENCODING, "gzip, *;q=0");
    let packed = edge.send(packed.body(Body::empty()).unwrap()).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
}
