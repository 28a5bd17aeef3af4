//! Bad input on every route: refused with a problem document that says what is wrong, and without any effect.

mod requests;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Call, Home, Launch, Nova, Person};
use requests::{BODIES, CREATING, GUARDED, NAMED, NUMBERS, Route, fields, malformed};

/// Nobody and nothing has this id.
const UNKNOWN: &str = "0198aaaa-0000-7000-8000-000000000000";

/// A small world, and someone who may not touch what is in it.
struct World {
    nova: Nova,
    owner: Person,
    stranger: Person,
    stream: String,
    post: String,
    _home: Home,
}

impl World {
    async fn new() -> Self {
        let home = Home::new();
        let nova = Nova::start(&home, &Launch::empty()).await;
        let (owner, stranger) = tokio::join!(nova.person("owner"), nova.person("stranger"));
        let stream = owner.go_live("Evening set").await;
        let post = owner.write("Count the washers first.").await;
        owner.watch(&stream).await.says("k", "hello").await;
        Self {
            nova,
            owner,
            stranger,
            stream,
            post,
            _home: home,
        }
    }

    /// The route's path with the world's own ids in it.
    fn path(&self, route: &Route) -> String {
        self.filled(route, [&self.stream, &self.post, &self.owner.id])
    }

    /// The route's path with one text in the place of every id.
    fn path_with(&self, route: &Route, id: &str) -> String {
        self.filled(route, [id; 3])
    }

    fn filled(&self, route: &Route, [stream, post, user]: [&str; 3]) -> String {
        let path = route.path.replace("{stream}", stream).replace("{post}", post);
        path.replace("{user}", user)
    }

    /// Everything that a request could have changed, as it is seen from outside.
    async fn state(&self) -> Value {
        let mut state = Vec::new();
        for path in [
            String::from("/streams"),
            format!("/streams/{}", self.stream),
            format!("/streams/{}/chat", self.stream),
            format!("/posts/{}", self.post),
            format!("/users/{}/posts", self.owner.id),
            format!("/users/{}/posts", self.stranger.id),
            format!("/users/{}", self.owner.id),
            format!("/users/{}", self.stranger.id),
        ] {
            let mut shown = self.nova.get(&path).send().await.ok(200);
            // How many are watching is not changed by a request but by the one who left.
            for field in ["current_viewers", "peak_viewers", "unique_viewers"] {
                shown.as_object_mut().unwrap().remove(field);
            }
            if let Some(streams) = shown["streams"].as_array_mut() {
                for stream in streams {
                    stream.as_object_mut().unwrap().remove("current_viewers");
                }
            }
            state.push(shown);
        }
        state.into()
    }

    fn call(&self, route: &Route, path: &str) -> Call {
        self.nova.call(method(route.method), path)
    }

    /// Sends bytes that claim to be JSON to a route that takes a body, as someone who could succeed there.
    async fn send(&self, route: &Route, body: impl Into<Vec<u8>>) -> Answer {
        let call = self.call(route, &self.path(route)).token(self.author_of(route));
        call.raw(body).send().await
    }

    /// A new stream can only be started by somebody who has none.
    fn author_of(&self, route: &Route) -> &str {
        if route.path == "/streams" {
            &self.stranger.token
        } else {
            &self.owner.token
        }
    }

    async fn unchanged(self, before: Value) {
        assert_eq!(self.state().await, before, "something was changed");
        let failures = self
            .nova
            .metrics()
            .await
            .sum("nova_http_requests_total", &[("status", "500")]);
        assert!(failures.abs() < f64::EPSILON, "{failures} internal errors");
    }
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_json_is_malformed_and_what_is_no_object_is_refused() {
    let world = World::new().await;
    let before = world.state().await;
    for route in BODIES {
        for body in malformed() {
            let answer = world.send(route, body.clone()).await;
            let text = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.status, 400, "{route:?} {text}: {answer:?}");
            answer.problem(400, "malformed_json");
        }
        for body in ["null", "[]", "7", "\"text\"", "true"] {
            world.send(route, body).await.refuses_field("body");
        }
    }
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_field_is_named() {
    let world = World::new().await;
    let before = world.state().await;
    for (route, body, field) in fields() {
        let answer = world.send(route, body.to_string()).await;
        assert_eq!(answer.status, 400, "{route:?} {field} in {body}: {answer:?}");
        answer.refuses_field(field);
    }
    // All that is wrong is told at once.
    let body = json!({ "title": "", "category": "nonsense", "thumbnail_url": "ftp://x" });
    let stream = &CREATING[0];
    let answer = world.send(stream, body.to_string()).await;
    for field in ["title", "category", "thumbnail_url"] {
        answer.refuses_field(field);
    }
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_another_type_or_too_large_is_refused() {
    let world = World::new().await;
    let before = world.state().await;
    let huge = json!({ "text": "x".repeat(300 * 1_024), "title": "t" }).to_string();
    for route in BODIES {
        let path = world.path(route);
        for content in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
        ] {
            let call = world.call(route, &path).token(world.author_of(route));
            let call = call.header("content-type", content).bytes("{\"text\":\"hi\"}");
            call.send().await.problem(415, "unsupported_media_type");
        }
        world.send(route, huge.clone()).await.problem(413, "too_large");
    }
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_that_can_be_trusted_nothing_is_done() {
    let world = World::new().await;
    let before = world.state().await;
    let mut forged = world.owner.token.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciIsImV4cCI6OTk5OTk5OTk5OX0.";
    for route in GUARDED {
        let path = world.path(route);
        let body = json!({ "title": "Taken over", "category": "music", "text": "Taken over" });
        let answer = world.call(route, &path).json(&body).send().await;
        answer.problem(401, "unauthorized");
        assert!(!answer.header("www-authenticate").is_empty(), "{answer:?}");
        for token in ["x", "a.b.c", unsigned, &forged] {
            let answer = world.call(route, &path).token(token).json(&body).send().await;
            answer.problem(401, "unauthorized");
        }
        for header in ["Basic b3duZXI6eA==", "Bearer", "Bearer ", "bearer\u{a0}x"] {
            let call = world.call(route, &path).header("authorization", header);
            call.json(&body).send().await.problem(401, "unauthorized");
        }
    }
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_someone_else_is_not_touched() {
    let world = World::new().await;
    let before = world.state().await;
    for route in GUARDED.iter().filter(|route| route.owned) {
        let body = json!({ "title": "Taken over" });
        let call = world.call(route, &world.path(route)).token(&world.stranger.token);
        call.json(&body).send().await.problem(403, "forbidden");
    }
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_name_nothing_are_not_found() {
    let world = World::new().await;
    let before = world.state().await;
    let upper = world.stream.to_uppercase();
    for route in NAMED {
        for id in [
            UNKNOWN,
            "7",
            "x",
            "%00",
            "%FF%FE",
            "..%2Fposts",
            "0198aaaa00007000800000000000",
            "%F0%9F%8E%B8",
        ] {
            let call = world
                .call(route, &world.path_with(route, id))
                .token(&world.owner.token);
            let answer = call.json(&json!({ "title": "t" })).send().await;
            assert_eq!(answer.status, 404, "{route:?} {id}: {answer:?}");
            answer.problem(404, "not_found");
        }
    }
    for path in [
        "/nowhere",
        "/streams/",
        "/feeds",
        "/users/me/nothing",
        "/streams/%FF/%FE",
    ] {
        world.nova.get(path).send().await.problem(404, "not_found");
    }
    let spelled = world.nova.get(&format!("/streams/{upper}")).send().await;
    assert!(
        spelled.status == 404 || spelled.ok(200)["stream_id"] == world.stream.as_str(),
        "{spelled:?}"
    );
    let post = world.nova.call(Method::GET, &format!("/streams/{}", world.post));
    post.send().await.problem(404, "not_found");
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_are_no_numbers_name_their_parameter() {
    let world = World::new().await;
    for (route, parameter) in NUMBERS {
        let path = world.path(route);
        for number in [
            "x",
            "",
            "1.5",
            "1e3",
            "0x10",
            "%00",
            "%FF",
            "%D9%A3",
            "99999999999999999999",
            "-99999999999999999999",
            "NaN",
        ] {
            let call = world.call(route, &format!("{path}?{parameter}={number}"));
            let answer = call.token(&world.owner.token).send().await;
            assert_eq!(answer.status, 400, "{path} {parameter}={number}: {answer:?}");
            answer.refuses_field(parameter);
        }
        for number in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
            let call = world.call(route, &format!("{path}?{parameter}={number}&unheard_of=%FF"));
            call.token(&world.owner.token).send().await.ok(200);
        }
    }
    for category in ["nonsense", "", "MUSIC", "%00", "music%00"] {
        let answer = world
            .nova
            .get(&format!("/streams?category={category}"))
            .send()
            .await;
        answer.refuses_field("category");
    }
    for cursor in ["x", "%00", "%FF", "AAAA"] {
        let path = format!("/users/{}/posts?cursor={cursor}", world.owner.id);
        let answer = world.nova.get(&path).send().await;
        assert!(answer.status == 400, "{cursor}: {answer:?}");
    }
    for post in ["", "x", "%00"] {
        let answer = world
            .stranger
            .get(&format!("/feed/explain?post_id={post}"))
            .send()
            .await;
        answer.refuses_field("post_id");
    }
    let unknown = world
        .stranger
        .get(&format!("/feed/explain?post_id={UNKNOWN}"))
        .send()
        .await;
    unknown.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_a_path_does_not_have_names_those_that_it_has() {
    let world = World::new().await;
    let before = world.state().await;
    for route in NAMED.iter().chain(BODIES) {
        let path = world.path(route);
        let answer = world
            .nova
            .call(method("REPORT"), &path)
            .token(&world.owner.token)
            .send()
            .await;
        answer.problem(405, "method_not_allowed");
        let allowed = answer.header("allow").to_owned();
        assert!(allowed.contains(route.method), "{route:?}: {allowed}");
    }
    world.unchanged(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_that_is_none_is_refused_and_oneself_cannot_be_followed() {
    let world = World::new().await;
    let before = world.state().await;
    for route in CREATING {
        let body = json!({ "title": "t", "category": "music", "text": "t" });
        for key in ["", "a b", &"k".repeat(256)] {
            let call = world.call(route, route.path).token(&world.stranger.token);
            let answer = call.idempotency(key).json(&body).send().await;
            answer.refuses_field("Idempotency-Key");
        }
    }
    let myself = format!("/users/{}/follow", world.owner.id);
    assert_eq!(world.owner.put(&myself).send().await.status, 400);
    world.unchanged(before).await;
}
