//! The tree of actors as an operator sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long an actor may take to show its state before it is listed as `busy`.
const SNAPSHOT_DEADLINE: Duration = Duration::from_millis(250);

/// Where an actor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// Not yet running.
    Starting,
    /// Handling messages.
    Running,
    /// Running, but did not show its state in time.
    Busy,
    /// Failed; its supervisor will start it again.
    Restarting,
    /// Ended for good.
    Stopped,
}

/// A type-erased seat.
pub(super) trait Node: Send + Sync {
    fn name(&self) -> &str;
    fn kind(&self) -> &'static str;
    fn life(&self) -> (Life, Duration);
    fn vacate(&self, life: Life);
    fn count_restart(&self);
    /// Restarts, mailbox depth, rejected messages.
    fn figures(&self) -> (u64, usize, u64);
    fn children(&self) -> Vec<Arc<dyn Node>>;
    fn ask_snapshot(&self) -> Option<oneshot::Receiver<Value>>;
    /// Ends the current incarnation at once; `false` when there is none.
    fn kill(&self) -> bool;
}

/// One actor with everything below it; the shape of `GET /internal/actors`.
#[derive(Debug, Clone, Serialize)]
pub struct ActorNode {
    /// Unique among its siblings, e.g. `stream/<id>`.
    pub name: String,
    /// What it is; the label of its metrics.
    pub kind: &'static str,
    /// See [`Life`].
    pub state: Life,
    /// How often its supervisor started it again.
    pub restarts: u64,
    /// Messages admitted and not yet handled.
    pub mailbox: usize,
    /// Messages refused because the mailbox was full.
    pub rejected: u64,
    /// Seconds since its state last changed.
    pub uptime_s: u64,
    /// The actors that it supervises.
    pub children: Vec<ActorNode>,
    /// What it says of itself; `null` when it did not answer.
    pub snapshot: Value,
}

/// Read access to the running actors, and a way to restart one.
#[derive(Clone)]
pub struct ActorTree {
    root: Arc<dyn Node>,
}

impl std::fmt::Debug for ActorTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorTree")
            .field("root", &self.root.name())
            .finish()
    }
}

impl ActorTree {
    pub(super) fn new(root: Arc<dyn Node>) -> Self {
        Self { root }
    }

    /// Every actor with its snapshot. No actor waits for another to be described.
    pub async fn describe(&self) -> Vec<ActorNode> {
        vec![describe(Arc::clone(&self.root)).await]
    }

    /// Ends the current incarnation of the first actor of that name; its supervisor decides what follows.
    /// `false` when there is no such actor, or it is down already.
    #[must_use]
    pub fn restart(&self, name: &str) -> bool {
        find(&self.root, name).is_some_and(|node| node.kill())
    }
}

fn find(node: &Arc<dyn Node>, name: &str) -> Option<Arc<dyn Node>> {
    if node.name() == name {
        return Some(Arc::clone(node));
    }
    node.children().iter().find_map(|child| find(child, name))
}

fn describe(node: Arc<dyn Node>) -> BoxFuture<'static, ActorNode> {
    async move {
        let children = join_all(node.children().into_iter().map(describe));
        let snapshot = async {
            match node.ask_snapshot() {
                Some(answer) => timeout(SNAPSHOT_DEADLINE, answer).await.ok().and_then(Result::ok),
                None => None,
            }
        };
        let (children, snapshot) = tokio::join!(children, snapshot);
        let (life, since) = node.life();
        let state = if life == Life::Running && snapshot.is_none() {
            Life::Busy
        } else {
            life
        };
        let (restarts, mailbox, rejected) = node.figures();
        ActorNode {
            name: node.name().to_owned(),
            kind: node.kind(),
            state,
            restarts,
            mailbox,
            rejected,
            uptime_s: since.as_secs(),
            children,
            snapshot: snapshot.unwrap_or_default(),
        }
    }
    .boxed()
}
