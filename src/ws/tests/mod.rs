//! Connections over an in-memory byte stream with a real client, under a paused clock; the handshake over TCP.

mod handshake;
mod hello;
mod hostile;
mod liveness;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use nova_actors::Result;
use nova_actors::domain::{LiveStream, Timestamp, User};
use nova_actors::streams::StreamSettings;
use nova_actors::testing::LiveWorld;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

/// Longest wait of a test for anything, on the paused clock.
const PATIENCE: Duration = Duration::from_secs(200);

/// Tokens are user names; `bad` and the empty one are refused.
struct Names {
    world: Arc<LiveWorld>,
    /// Milliseconds for which a token is good.
    good_for: AtomicU64,
    away: AtomicBool,
}

#[async_trait]
impl Authenticate for Names {
    async fn authenticate(&self, token: &str) -> Result<(User, Timestamp)> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("store"));
        }
        if token.is_empty() || token == "bad" {
            return Err(Error::new(Kind::Unauthorized, "bad token"));
        }
        let user = self.world.store.user(token);
        let now = self.world.streams.now();
        let good_for = Duration::from_millis(self.good_for.load(Ordering::Relaxed));
        Ok((user, now.plus(good_for)))
    }
}

/// A live stream with rooms and a way to connect to it.
struct Scene {
    world: Arc<LiveWorld>,
    names: Arc<Names>,
    ctx: Arc<WsContext>,
    draining: CancellationToken,
    owner: User,
    stream: LiveStream,
}

impl Scene {
    async fn open() -> Self {
        Self::with(WsSettings::default()).await
    }

    async fn with(settings: WsSettings) -> Self {
        let rooms = StreamSettings {
            abandon_after: Duration::ZERO,
            ..StreamSettings::default()
        };
        let world = Arc::new(LiveWorld::start(rooms).await.unwrap());
        let owner = world.store.add_user("owner");
        let stream = world.go_live(&owner).await.unwrap();
        let names = Arc::new(Names {
            world: Arc::clone(&world),
            good_for: AtomicU64::new(3_600_000),
            away: AtomicBool::new(false),
        });
        let draining = CancellationToken::new();
        let problem: Problem = Arc::new(|error| {
            let status = match error.kind() {
                Kind::Forbidden => StatusCode::FORBIDDEN,
                Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, error.to_string()).into_response()
        });
        let ctx = WsContext::new(
            world.streams.clone(),
            Arc::clone(&names) as Arc<dyn Authenticate>,
            problem,
            settings,
            (TaskTracker::new(), draining.clone()),
        );
        Self {
            world,
            names,
            ctx: Arc::new(ctx),
            draining,
            owner,
            stream,
        }
    }

    /// The client's end of a connection that is served.
    fn socket(&self, stream: Option<StreamId>) -> DuplexStream {
        let (client, server) = tokio::io::duplex(16 * 1_024);
        self.ctx
            .tracker
            .spawn(session::serve(server, Arc::clone(&self.ctx), stream));
        client
    }

    async fn connect_to(&self, stream: Option<StreamId>) -> Client {
        Client {
            ws: WebSocketStream::from_raw_socket(self.socket(stream), Role::Client, None).await,
        }
    }

    async fn connect(&self) -> Client {
        self.connect_to(Some(self.stream.id)).await
    }

    /// Connected and welcomed.
    async fn join(&self, token: Option<&str>) -> Client {
        let mut client = self.connect().await;
        client
            .send(&json!({"op": "hello", "id": 1, "token": token}))
            .await;
        assert_eq!(client.next("welcome").await["re"], 1);
        client
    }

    async fn end(&self) {
        let context = nova_actors::domain::WriteContext::untracked();
        self.world
            .streams
            .end(self.stream.id, self.owner.id, context)
            .await
            .unwrap();
    }

    fn restart(&self, name: &str) {
        assert!(self.world.root.tree().restart(name), "{name} runs");
    }
}

struct Client {
    ws: WebSocketStream<DuplexStream>,
}

impl Client {
    async fn send(&mut self, frame: &Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    async fn send_raw(&mut self, message: Message) {
        // A server that has closed meanwhile is what some tests are about.
        let _ = self.ws.send(message).await;
    }

    /// The next frame with this op; others are passed over.
    async fn next(&mut self, op: &str) -> Value {
        timeout(PATIENCE, async {
            loop {
                match self.ws.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        if frame["op"] == op {
                            return frame;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("waiting for {op}: {other:?}"),
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {op} came"))
    }

    /// The code with which the server closes, and all frames before.
    async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut frames = Vec::new();
        let code = timeout(PATIENCE, async {
            loop {
                match self.ws.next().await {
                    Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
                    Some(Ok(_)) => {}
                    other => panic!("not closed with a code: {other:?}"),
                }
            }
        })
        .await
        .expect("closed in time");
        (code, frames)
    }

    async fn close_code(&mut self) -> u16 {
        self.closed().await.0
    }

    async fn chat(&mut self, id: u64, text: &str) {
        self.send(&json!({"op": "chat", "id": id, "x": text})).await;
    }
}
