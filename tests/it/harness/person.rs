//! Someone who uses the REST API with a token.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Api, Call};
use super::viewer::Viewer;

/// A signed-in user.
#[derive(Clone)]
pub(crate) struct Person {
    api: Api,
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Person {
    pub(super) fn new(api: Api, id: &str, token: &str) -> Self {
        Self {
            api,
            id: id.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The same person with the same token, at a Nova that was started again.
    pub(crate) fn at(&self, api: &Api) -> Self {
        Self {
            api: api.clone(),
            ..self.clone()
        }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.api.get(path).token(&self.token)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.api.call(Method::POST, path).token(&self.token)
    }

    pub(crate) fn put(&self, path: &str) -> Call {
        self.api.call(Method::PUT, path).token(&self.token)
    }

    pub(crate) fn patch(&self, path: &str) -> Call {
        self.api.call(Method::PATCH, path).token(&self.token)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.api.call(Method::DELETE, path).token(&self.token)
    }

    /// Starts a live stream; its id.
    pub(crate) async fn go_live(&self, title: &str) -> String {
        let body = json!({ "title": title, "category": "music" });
        let stream = self.post("/streams").json(&body).send().await.ok(201);
        id_of(&stream, "stream_id")
    }

    /// Ends a live stream; as it ended.
    pub(crate) async fn end(&self, stream: &str) -> Value {
        self.post(&format!("/streams/{stream}/end")).send().await.ok(200)
    }

    /// Writes a post; its id.
    pub(crate) async fn write(&self, text: &str) -> String {
        let post = self.post("/posts").json(&json!({ "text": text })).send().await;
        id_of(&post.ok(201), "post_id")
    }

    pub(crate) async fn follow(&self, other: &Self) {
        self.put(&format!("/users/{}/follow", other.id))
            .send()
            .await
            .ok(204);
    }

    pub(crate) async fn like(&self, post: &str) {
        self.put(&format!("/posts/{post}/like")).send().await.ok(204);
    }

    /// A page of this person's feed.
    pub(crate) async fn feed(&self, query: &str) -> Value {
        self.get(&format!("/feed{query}")).send().await.ok(200)
    }

    /// Enters a room as this person.
    pub(crate) async fn watch(&self, stream: &str) -> Viewer {
        let mut viewer = Viewer::connect(&self.api, stream).await;
        viewer.hello(Some(&self.token), None).await;
        viewer
    }
}

fn id_of(body: &Value, name: &str) -> String {
    let id = body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}"));
    id.to_owned()
}
