//! The tables: which routes there are, and what is wrong with what they get.

use serde_json::{Value, json};

/// A route with places for ids: `{stream}`, `{post}`, `{user}`.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Whether only the owner of what is named may use it.
    pub(super) owned: bool,
}

const fn route(method: &'static str, path: &'static str) -> Route {
    Route {
        method,
        path,
        owned: false,
    }
}

const fn owned(method: &'static str, path: &'static str) -> Route {
    Route {
        method,
        path,
        owned: true,
    }
}

const START: Route = route("POST", "/streams");
const PATCH: Route = owned("PATCH", "/streams/{stream}");
const WRITE: Route = route("POST", "/posts");
const TOKEN: Route = route("POST", "/dev/token");
const LIST: Route = route("GET", "/streams");
const CHAT: Route = route("GET", "/streams/{stream}/chat");
const POSTS_BY: Route = route("GET", "/users/{user}/posts");
const FEED: Route = route("GET", "/feed");

/// Routes that take a body.
pub(super) const BODIES: &[Route] = &[START, PATCH, WRITE, TOKEN];

/// Routes that take an idempotency key.
pub(super) const CREATING: &[Route] = &[START, WRITE];

/// Routes that need a token.
pub(super) const GUARDED: &[Route] = &[
    START,
    PATCH,
    owned("POST", "/streams/{stream}/end"),
    owned("POST", "/streams/{stream}/heartbeat"),
    WRITE,
    owned("DELETE", "/posts/{post}"),
    route("PUT", "/posts/{post}/like"),
    route("DELETE", "/posts/{post}/like"),
    route("PUT", "/users/{user}/follow"),
    route("DELETE", "/users/{user}/follow"),
    route("GET", "/users/me"),
    FEED,
    route("GET", "/feed/explain"),
    route("POST", "/feed/invalidate"),
];

/// Routes that name something.
pub(super) const NAMED: &[Route] = &[
    route("GET", "/streams/{stream}"),
    PATCH,
    owned("POST", "/streams/{stream}/end"),
    owned("POST", "/streams/{stream}/heartbeat"),
    CHAT,
    route("GET", "/posts/{post}"),
    owned("DELETE", "/posts/{post}"),
    route("PUT", "/posts/{post}/like"),
    route("DELETE", "/posts/{post}/like"),
    route("GET", "/users/{user}"),
    POSTS_BY,
    route("PUT", "/users/{user}/follow"),
    route("DELETE", "/users/{user}/follow"),
];

/// Parameters that are whole numbers.
pub(super) const NUMBERS: &[(Route, &str)] = &[
    (LIST, "page"),
    (LIST, "limit"),
    (CHAT, "before"),
    (CHAT, "limit"),
    (POSTS_BY, "limit"),
    (FEED, "limit"),
];

/// Bytes that are not JSON.
pub(super) fn malformed() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 10] = [
        b"",
        b"{",
        b"{\"title\":",
        b"{'title':'t'}",
        b"{\"title\":\"t\"} trailing",
        b"{\"title\":\"raw \x00 nul\"}",
        b"{\"title\":\"\xff\xfe\"}",
        b"{\"text\":\"\xc3\"}",
        b"{\"title\":\"\\ud800\"}",
        b"\x00\x01\x02",
    ];
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.to_vec()).collect();
    bodies.push("[".repeat(20_000).into_bytes());
    bodies.push("{\"a\":".repeat(20_000).into_bytes());
    bodies
}

/// Values that are not text.
fn not_text() -> [Value; 5] {
    [json!(7), json!(true), json!(["t"]), json!({ "t": 1 }), json!(1.5)]
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

/// Bodies with exactly one wrong field, and its name.
pub(super) fn fields() -> Vec<(&'static Route, Value, &'static str)> {
    let stream = json!({ "title": "Fine", "category": "music" });
    let post = json!({ "text": "Fine" });
    let token = json!({ "username": "fine" });
    let mut table: Vec<(&'static Route, Value, &'static str)> = vec![
        (&START, json!({ "category": "music" }), "title"),
        (&START, json!({ "title": "Fine" }), "category"),
        (&WRITE, json!({}), "text"),
        (&TOKEN, json!({}), "username"),
    ];
    let nul = json!("nul \u{0} nul");
    let required = [
        (&START, &stream, "title"),
        (&START, &stream, "category"),
        (&WRITE, &post, "text"),
    ];
    for (route, body, field) in required {
        table.extend(not_text().map(|value| (route, with(body.clone(), field, value), field)));
        table.push((route, with(body.clone(), field, Value::Null), field));
        table.push((route, with(body.clone(), field, json!("")), field));
        table.push((route, with(body.clone(), field, json!("  \n ")), field));
        table.push((route, with(body.clone(), field, nul.clone()), field));
    }
    for (route, body) in [(&START, &stream), (&PATCH, &json!({}))] {
        for field in ["title", "category", "description", "thumbnail_url"] {
            table.extend(not_text().map(|value| (route, with(body.clone(), field, value), field)));
            table.push((route, with(body.clone(), field, nul.clone()), field));
        }
        for (field, value) in [
            ("title", json!("t".repeat(141))),
            ("category", json!("nonsense")),
            ("category", json!("Music")),
            ("description", json!("d".repeat(2_001))),
            ("thumbnail_url", json!("javascript:alert(1)")),
            ("thumbnail_url", json!("not a url")),
            ("thumbnail_url", json!("https://")),
            (
                "thumbnail_url",
                json!(format!("https://example.org/{}", "u".repeat(2_048))),
            ),
        ] {
            table.push((route, with(body.clone(), field, value), field));
        }
    }
    for value in [json!("ftp://example.org/x"), json!("x"), json!(7), nul.clone()] {
        table.push((&WRITE, with(post.clone(), "media_url", value), "media_url"));
    }
    table.push((&WRITE, with(post, "text", json!("\u{e9}".repeat(2_001))), "text"));
    for value in [
        json!("ab"),
        json!("a".repeat(33)),
        json!("No Such"),
        json!("\u{e9}ve"),
        json!(7),
        nul,
    ] {
        table.push((&TOKEN, with(token.clone(), "username", value), "username"));
    }
    table
}
