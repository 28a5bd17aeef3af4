//! Stand-ins with the signatures of the live stream and feed handles, only until those are merged: with them
//! the edge compiles, and every call answers that the dependency is not there.

#![allow(missing_docs, clippy::unused_async)]

use nova_actors::domain::feed::Source;
use nova_actors::domain::room::ChatPage;
use nova_actors::domain::{
    LiveStream, NewStream, PostId, StreamId, StreamPatch, Timestamp, User, UserId, WriteContext, Written,
};
use nova_actors::social::PostView;
use nova_actors::{Error, Result};
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamView {
    pub stream: LiveStream,
    pub creator: Option<User>,
    pub viewers: u64,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamList {
    pub items: Vec<StreamView>,
    pub total: u64,
}
#[derive(Debug, Clone)]
pub struct StreamsHandle;
fn none<T>() -> Result<T> {
    Err(Error::unavailable("stand-in"))
}
impl StreamsHandle {
    pub async fn start(&self, _: UserId, _: NewStream, _: WriteContext) -> Result<Written<StreamView>> {
        none()
    }
    pub async fn end(&self, _: StreamId, _: UserId, _: WriteContext) -> Result<StreamView> {
        none()
    }
    pub async fn patch(&self, _: StreamId, _: UserId, _: StreamPatch) -> Result<StreamView> {
        none()
    }
    pub async fn heartbeat(&self, _: StreamId, _: UserId) -> Result<()> {
        none()
    }
    pub async fn get(&self, _: StreamId) -> Result<StreamView> {
        none()
    }
    pub async fn list(&self, _: Option<String>, _: u32, _: u32) -> Result<StreamList> {
        none()
    }
    pub async fn chat(&self, _: StreamId, _: Option<u64>, _: u32) -> Result<ChatPage> {
        none()
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRequest {
    pub reader: UserId,
    pub limit: u32,
    pub cursor: Option<String>,
    pub algo: Option<String>,
    pub source: Option<String>,
}
#[derive(Debug, Clone, PartialEq)]
pub struct FeedItem {
    pub post: PostView,
    pub score: f64,
    pub sources: Vec<Source>,
    pub reasons: Vec<String>,
}
#[derive(Debug, Clone, Copy)]
pub struct Rung;
impl Rung {
    pub const fn as_str(self) -> &'static str {
        "fresh"
    }
}
#[derive(Debug, Clone, Copy, Default)]
pub struct Watermark {
    pub cdc: Option<Timestamp>,
    pub events: Option<Timestamp>,
}
#[derive(Debug, Clone)]
pub struct FeedPage {
    pub items: Vec<FeedItem>,
    pub next_cursor: Option<String>,
    pub ranker: &'static str,
    pub rung: Rung,
    pub relaxed: Vec<&'static str>,
    pub degraded: Vec<String>,
    pub newer_available: bool,
    pub watermark: Watermark,
}
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Parts {
    pub freshness: f64,
    pub engagement: f64,
    pub affinity: f64,
}
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub post_id: PostId,
    pub ranker: &'static str,
    pub score: f64,
    pub position: usize,
    pub parts: Parts,
    pub weights: Parts,
    pub inputs: ExplainedInputs,
    pub sources: Vec<Source>,
    pub filters: Vec<Filter>,
}
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExplainedInputs {
    pub age_hours: f64,
    pub likes: u64,
    pub comments: u64,
    pub shares: u64,
    pub impressions: u64,
    pub interactions: u64,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Filter {
    pub name: &'static str,
    pub passed: bool,
}
#[derive(Debug, Clone)]
pub struct FeedHandle;
impl FeedHandle {
    pub async fn page(&self, _: FeedRequest) -> Result<FeedPage> {
        none()
    }
    pub async fn explain(&self, _: UserId, _: PostId) -> Result<Explanation> {
        none()
    }
    pub async fn invalidate(&self, _: UserId) -> Result<()> {
        none()
    }
}
