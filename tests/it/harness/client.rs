//! The REST API as any client sees it.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::metrics::Samples;
use super::person::Person;

/// No request of a test takes this long.
const DEADLINE: Duration = Duration::from_secs(15);

/// A running Nova.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    public: SocketAddr,
    internal: SocketAddr,
}

impl Api {
    pub(crate) fn new(public: SocketAddr, internal: SocketAddr) -> Self {
        let http = Client::builder()
            .no_proxy()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            http,
            public,
            internal,
        }
    }

    /// Address of the public listener.
    pub(crate) const fn public(&self) -> SocketAddr {
        self.public
    }

    /// What a browser is pointed at.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.public)
    }

    /// A request below `/api/v1`.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        self.at(method, &format!("/api/v1{path}"))
    }

    /// A request to any path of the public listener.
    pub(crate) fn at(&self, method: Method, path: &str) -> Call {
        Call(self.http.request(method, format!("http://{}{path}", self.public)))
    }

    /// A request to the internal listener.
    pub(crate) fn inside(&self, method: Method, path: &str) -> Call {
        Call(
            self.http
                .request(method, format!("http://{}{path}", self.internal)),
        )
    }

    /// A GET below `/api/v1` without a token.
    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Signs a person in; creates the user when new.
    pub(crate) async fn person(&self, username: &str) -> Person {
        let body = json!({ "username": username });
        let answer = self.call(Method::POST, "/dev/token").json(&body).send().await;
        self.signed_in(&answer.ok(200))
    }

    /// The person of a token's answer.
    pub(crate) fn signed_in(&self, answer: &Value) -> Person {
        Person::new(
            self.clone(),
            answer["user_id"].as_str().unwrap(),
            answer["access_token"].as_str().unwrap(),
        )
    }

    /// All metrics now.
    pub(crate) async fn metrics(&self) -> Samples {
        let answer = self.inside(Method::GET, "/metrics").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let content = answer.header("content-type").to_owned();
        assert!(content.starts_with("text/plain"), "{content}");
        Samples::parse(&answer.text())
    }

    /// A stream's whole chat, oldest first, read page by page.
    pub(crate) async fn chat(&self, stream: &str) -> Vec<Value> {
        let mut pages = Vec::new();
        let mut before = String::new();
        loop {
            let path = format!("/streams/{stream}/chat?limit=100{before}");
            let mut page = self.get(&path).send().await.ok(200);
            let messages = page["messages"].take();
            pages.push(messages.as_array().expect("messages").clone());
            match page["next"].as_u64() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        pages.into_iter().rev().flatten().collect()
    }
}

/// A request that is being put together.
pub(crate) struct Call(RequestBuilder);

impl Call {
    pub(crate) fn token(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    /// Makes a repetition of the request harmless.
    pub(crate) fn idempotency(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// Bytes that claim to be JSON.
    pub(crate) fn raw(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header(CONTENT_TYPE, "application/json").body(body.into()))
    }

    /// Bytes whose type was said before.
    pub(crate) fn bytes(self, body: &'static str) -> Self {
        Self(self.0.body(body))
    }

    /// Sends it. Fails only when no whole answer arrived.
    pub(crate) async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.0.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await?.to_vec();
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Sends it; there must be an answer.
    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text())
    }
}

impl Answer {
    /// The header's value; empty when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, `null` when there is none; the status must be the expected one.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }

    /// The problem document, whole and of the expected status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let document = self.ok(status);
        let content = self.header("content-type");
        assert!(content.starts_with("application/problem+json"), "{self:?}");
        assert_eq!(document["code"], code, "{self:?}");
        assert_eq!(document["status"], status, "{self:?}");
        for text in ["type", "title", "detail", "request_id"] {
            assert!(
                document[text].as_str().is_some_and(|text| !text.is_empty()),
                "{text} is missing: {self:?}"
            );
        }
        assert!(document["retryable"].is_boolean(), "{self:?}");
        assert_eq!(document["request_id"], self.header("x-request-id"), "{self:?}");
        document
    }

    /// Whether it is a whole problem document that asks to come again; one of 503 says when.
    pub(crate) fn problem_says_later(&self, status: u16) -> bool {
        let code = self.ok(status)["code"].as_str().unwrap_or_default().to_owned();
        let document = self.problem(status, &code);
        if status == 503 {
            assert!(!self.header("retry-after").is_empty(), "{self:?}");
        }
        document["retryable"] == true
    }

    /// A refusal that names the field at fault.
    pub(crate) fn refuses_field(&self, field: &str) {
        let document = self.problem(400, "validation_error");
        let errors = document["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.iter().any(|e| e["field"] == field), "{field}: {self:?}");
        for error in errors {
            assert!(
                error["expected"].as_str().is_some_and(|text| !text.is_empty()),
                "{self:?}"
            );
        }
    }
}
