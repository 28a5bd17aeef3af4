//! Stand-ins with the signatures of the live stream handle, only until it is merged: with them
//! the edge compiles, and every call answers that the dependency is not there.

#![allow(missing_docs, clippy::unused_async)]

use nova_actors::domain::room::ChatPage;
use nova_actors::domain::{
    LiveStream, NewStream, StreamId, StreamPatch, User, UserId, WriteContext, Written,
};
use nova_actors::{Error, Result};

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
