//! Viewers' WebSockets: the protocol `nova.v1` on tokio-tungstenite, directly on hyper's upgraded connection.
//!
//! One task per connection (`session`), generic over the byte stream. Frames of the room arrive encoded; this
//! side adds what concerns one connection only: hello, answers, heartbeats, expiry, the close code.

mod entry;
mod escapes;
mod handshake;
mod limits;
mod protocol;
mod requests;
mod session;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use metrics::{counter, gauge};
use nova_actors::domain::StreamId;
use nova_actors::runtime::metrics as names;
use nova_actors::streams::StreamsHandle;
use nova_actors::{Error, Kind};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authenticate;
use handshake::{Refusal, SUBPROTOCOL};

/// How an error becomes a problem document.
pub type Problem = Arc<dyn Fn(Error) -> Response + Send + Sync>;

/// What an operator can change about viewers' connections.
#[derive(Debug, Clone)]
pub struct WsSettings {
    /// Most open connections; one more is answered 503.
    pub max_connections: usize,
    /// A side that was silent for this long says so; a client silent for twice as long is closed.
    pub heartbeat: Duration,
    /// Time for the first frame.
    pub hello_deadline: Duration,
    /// A client that takes nothing for this long is closed as slow.
    pub write_deadline: Duration,
    /// How long a connection looks for its room when that is being restarted.
    pub rejoin_deadline: Duration,
    /// Chat messages per window, all of which may come at once.
    pub chat: (u32, Duration),
    /// Frames of any kind per window.
    pub frames: (u32, Duration),
    /// Origins besides the server's own from which browsers may connect, e.g. `https://example.com`.
    pub allowed_origins: Vec<String>,
}

impl Default for WsSettings {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            heartbeat: Duration::from_secs(25),
            hello_deadline: Duration::from_secs(8),
            write_deadline: Duration::from_secs(10),
            rejoin_deadline: Duration::from_secs(10),
            chat: (5, Duration::from_secs(10)),
            frames: (200, Duration::from_secs(4)),
            allowed_origins: Vec::new(),
        }
    }
}

/// Everything that connections share.
pub struct WsContext {
    streams: StreamsHandle,
    auth: Arc<dyn Authenticate>,
    settings: WsSettings,
    problem: Problem,
    free: Arc<Semaphore>,
    tracker: TaskTracker,
    draining: CancellationToken,
}

impl std::fmt::Debug for WsContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WsContext")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl WsContext {
    /// Connections run on `tracker`; when `draining` is cancelled each is closed with 4001.
    #[must_use]
    pub fn new(
        streams: StreamsHandle,
        auth: Arc<dyn Authenticate>,
        problem: Problem,
        settings: WsSettings,
        (tracker, draining): (TaskTracker, CancellationToken),
    ) -> Self {
        Self {
            streams,
            auth,
            free: Arc::new(Semaphore::new(settings.max_connections)),
            settings,
            problem,
            tracker,
            draining,
        }
    }
}

/// `GET /ws/v1/streams/{id}`.
pub fn router(ctx: Arc<WsContext>) -> Router {
    Router::new()
        .route("/ws/v1/streams/{id}", get(watch))
        .with_state(ctx)
}

async fn watch(State(ctx): State<Arc<WsContext>>, Path(id): Path<String>, mut request: Request) -> Response {
    let accept = match handshake::check(request.headers(), request.uri(), &ctx.settings.allowed_origins) {
        Ok(accept) if request.extensions().get::<hyper::upgrade::OnUpgrade>().is_some() => accept,
        Ok(_) => return refuse(&ctx, Refusal::NotAnUpgrade),
        Err(refusal) => return refuse(&ctx, refusal),
    };
    let Ok(permit) = Arc::clone(&ctx.free).try_acquire_owned() else {
        return refuse(&ctx, Refusal::OverCapacity);
    };
    let upgrade = hyper::upgrade::on(&mut request);
    // Browsers cannot read the status of a refused handshake, so what is wrong with the id is told by a close
    // code after the hello.
    let stream = id.parse::<StreamId>().ok();
    let session = Arc::clone(&ctx);
    ctx.tracker.spawn(async move {
        let _open = Open::new();
        match upgrade.await {
            Ok(upgraded) => session::serve(TokioIo::new(upgraded), session, stream).await,
            Err(error) => tracing::debug!(%error, "connection ended before it was upgraded"),
        }
        drop(permit);
    });
    let headers = [
        (UPGRADE, "websocket"),
        (CONNECTION, "Upgrade"),
        (SEC_WEBSOCKET_ACCEPT, accept.as_str()),
        (SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

fn refuse(ctx: &WsContext, refusal: Refusal) -> Response {
    counter!(names::WS_REJECTED, "reason" => refusal.reason()).increment(1);
    let error = match refusal {
        Refusal::NotAnUpgrade => Error::field("Upgrade", "a WebSocket handshake, version 13"),
        Refusal::Subprotocol => Error::field("Sec-WebSocket-Protocol", SUBPROTOCOL),
        Refusal::ForeignOrigin => Error::new(Kind::Forbidden, "this origin may not open WebSockets here"),
        Refusal::OverCapacity => Error::new(Kind::Overloaded, "too many open connections"),
    };
    (ctx.problem)(error)
}

/// Counts an open connection for as long as it lives.
struct Open;

impl Open {
    fn new() -> Self {
        gauge!(names::WS_CONNECTIONS).increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(names::WS_CONNECTIONS).decrement(1.0);
    }
}
