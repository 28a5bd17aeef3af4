//! The real binary, started the way a person starts it, and its REST API as curl sees it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// From the program's start to its ports file.
const READY: Duration = Duration::from_secs(20);

/// From SIGTERM to the end of the program: the whole drain has 30 s.
const DRAINED: Duration = Duration::from_secs(30);

/// A running `nova dev`, ended with this value.
pub(super) struct Nova {
    pub(super) origin: String,
    http: reqwest::Client,
    child: Child,
    _data: TempDir,
}

impl Nova {
    pub(super) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let ports = data.path().join("ports.json");
        let mut child = Command::new(env!("CARGO_BIN_EXE_nova"))
            .args([
                "dev",
                "--bind",
                "127.0.0.1:0",
                "--internal-bind",
                "127.0.0.1:0",
                "--no-demo-chat",
            ])
            .arg("--data-dir")
            .arg(data.path().join("data"))
            .arg("--ports-file")
            .arg(&ports)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nova starts");
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let written = async {
            loop {
                looks.tick().await;
                if let Ok(text) = std::fs::read(&ports) {
                    return text;
                }
                assert_eq!(child.try_wait().unwrap(), None, "nova ended before it was ready");
            }
        };
        let text = tokio::time::timeout(READY, written)
            .await
            .expect("a ports file within the deadline");
        let ports: Value = serde_json::from_slice(&text).unwrap();
        let origin = format!("http://{}", ports["http"].as_str().unwrap());
        Self {
            origin,
            http: reqwest::Client::new(),
            child,
            _data: data,
        }
    }

    /// Asks it to end, as an operator does, and waits until it has. (Dropped, it is killed.)
    pub(super) async fn stop(mut self) {
        let process = self.child.id().expect("nova is still running").to_string();
        let asked = Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .await
            .unwrap();
        assert!(asked.success(), "kill -TERM {process}");
        let ended = tokio::time::timeout(DRAINED, self.child.wait()).await;
        let status = ended.expect("nova ends within its drain's deadline").unwrap();
        assert!(status.success(), "{status}");
    }

    /// Signs a person in over REST.
    pub(super) async fn person(&self, username: &str) -> Person<'_> {
        let mut person = Person {
            nova: self,
            token: String::new(),
            id: String::new(),
        };
        let answer = person.post("/dev/token", &json!({ "username": username })).await;
        person.token = answer["access_token"].as_str().unwrap().to_owned();
        person.id = answer["user_id"].as_str().unwrap().to_owned();
        person
    }
}

/// Someone who uses the REST API.
pub(super) struct Person<'a> {
    nova: &'a Nova,
    token: String,
    pub(super) id: String,
}

impl Person<'_> {
    /// A POST that must succeed; its answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let mut request = self
            .nova
            .http
            .post(format!("{}/api/v1{path}", self.nova.origin))
            .json(body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    /// Starts a stream; its id.
    pub(super) async fn go_live(&self, title: &str) -> String {
        let stream = self
            .post("/streams", &json!({ "title": title, "category": "music" }))
            .await;
        stream["stream_id"].as_str().unwrap().to_owned()
    }
}
