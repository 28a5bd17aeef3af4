//! How an actor is reached: an address that stays good over restarts, and calls that always end.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ractor::ActorRef;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::gate::{Gate, Permit};
use super::metrics::{self, kind_counter, kind_gauge};
use super::tree::{Life, Node};
use crate::error::{Error, Kind};

/// Mailbox bound of an actor that states no other.
pub const DEFAULT_CAPACITY: usize = 1_024;

/// Why a message was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No answer before the deadline. The message may still be handled.
    #[error("the actor did not answer in time")]
    Timeout,
    /// The actor is being restarted or has stopped, or failed while handling the message.
    #[error("the actor is not running")]
    Gone,
    /// The mailbox is full; nothing was sent.
    #[error("the actor has too much to do")]
    Overloaded,
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        let (kind, message) = match error {
            CallError::Timeout => (Kind::Timeout, "the request took too long"),
            CallError::Gone => (Kind::Unavailable, "this part of the service is restarting"),
            CallError::Overloaded => (Kind::Overloaded, "too many requests are being handled"),
        };
        Self::new(kind, message).with_source(error)
    }
}

/// Where to send the answer to a call. Dropping it unanswered tells the caller `Gone`.
#[derive(Debug)]
pub struct Reply<R>(oneshot::Sender<R>);

impl<R> Reply<R> {
    /// Answers. A caller that went away is normal.
    pub fn send(self, answer: R) {
        let _ = self.0.send(answer);
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// A reply port and the receiver that waits for it, for state tests and for callers inside of tasks.
    #[must_use]
    pub fn channel() -> (Self, oneshot::Receiver<R>) {
        let (tx, rx) = oneshot::channel();
        (Self(tx), rx)
    }
}

/// What ractor carries: a message of the actor, or one of the runtime itself.
#[derive(Debug)]
pub(super) enum Signal<M> {
    User { msg: M, permit: Permit },
    Snapshot(oneshot::Sender<Value>),
    StartChild(u64),
    TaskPanicked(String),
}

/// The place that successive incarnations of one actor take.
pub(super) struct Seat<M> {
    pub(super) kind: &'static str,
    pub(super) name: String,
    gate: Gate,
    current: RwLock<Option<ActorRef<Signal<M>>>>,
    life: Mutex<(Life, Instant)>,
    restarts: AtomicU64,
    rejected: AtomicU64,
    children: Mutex<Vec<Arc<dyn Node>>>,
}

/// A clone-cheap reference to an actor. It outlives restarts: while the actor is down, sends answer `Gone`.
pub struct Address<M>(pub(super) Arc<Seat<M>>);

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.0.name).finish()
    }
}

impl<M: Send + 'static> Address<M> {
    /// A place for an actor of `kind` that is still to be started; `capacity` bounds its mailbox.
    #[must_use]
    pub fn vacant(kind: &'static str, name: impl Into<String>, capacity: usize) -> Self {
        // There from the start: an increase from nothing at all is one that no query over time sees.
        for name in [metrics::ACTOR_RESTARTS, metrics::ACTOR_REJECTED] {
            kind_counter(name, kind).increment(0);
        }
        Self(Arc::new(Seat {
            kind,
            name: name.into(),
            gate: Gate::new(capacity, kind_gauge(metrics::ACTOR_MAILBOX_DEPTH, kind)),
            current: RwLock::new(None),
            life: Mutex::new((Life::Starting, Instant::now())),
            restarts: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            children: Mutex::new(Vec::new()),
        }))
    }

    /// The actor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Sends without waiting, at most once, in order per sender.
    ///
    /// # Errors
    /// `Overloaded` when the mailbox is full (counted), `Gone` when the actor is down.
    pub fn tell(&self, msg: M) -> Result<(), CallError> {
        let Some(permit) = self.0.gate.try_admit() else {
            self.0.count_rejected();
            return Err(CallError::Overloaded);
        };
        self.0.post(Signal::User { msg, permit })
    }

    /// Sends as soon as the mailbox has room.
    ///
    /// # Errors
    /// `Overloaded` when it had none until `deadline` passed (counted), `Gone` when the actor is down.
    pub async fn send(&self, deadline: Duration, msg: M) -> Result<(), CallError> {
        match timeout(deadline, self.0.gate.admit()).await {
            Ok(Some(permit)) => self.0.post(Signal::User { msg, permit }),
            Ok(None) | Err(_) => {
                self.0.count_rejected();
                Err(CallError::Overloaded)
            }
        }
    }

    /// Sends and waits for the answer, both within `deadline`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<R>(
        &self,
        deadline: Duration,
        make: impl FnOnce(Reply<R>) -> M,
    ) -> Result<R, CallError> {
        let (reply, answer) = Reply::channel();
        self.tell(make(reply))?;
        match timeout(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(CallError::Gone),
            Err(_) => Err(CallError::Timeout),
        }
    }
}

impl<M: Send + 'static> Seat<M> {
    pub(super) fn post(&self, signal: Signal<M>) -> Result<(), CallError> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        current
            .ok_or(CallError::Gone)?
            .send_message(signal)
            .map_err(|_| CallError::Gone)
    }

    pub(super) fn take(&self, actor: ActorRef<Signal<M>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(actor);
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.live(Life::Running);
    }

    pub(super) fn live(&self, life: Life) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = (life, Instant::now());
    }

    pub(super) fn add_child(&self, child: Arc<dyn Node>) {
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(child);
    }

    pub(super) fn forget_child(&self, name: &str) {
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|c| c.name() != name);
    }

    fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        kind_counter(metrics::ACTOR_REJECTED, self.kind).increment(1);
    }
}

impl<M: Send + 'static> Node for Seat<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn life(&self) -> (Life, Duration) {
        let (life, since) = *self.life.lock().unwrap_or_else(PoisonError::into_inner);
        (life, since.elapsed())
    }

    fn vacate(&self, life: Life) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.live(life);
    }

    fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        kind_counter(metrics::ACTOR_RESTARTS, self.kind).increment(1);
    }

    fn figures(&self) -> (u64, usize, u64) {
        (
            self.restarts.load(Ordering::Relaxed),
            self.gate.depth(),
            self.rejected.load(Ordering::Relaxed),
        )
    }

    fn children(&self) -> Vec<Arc<dyn Node>> {
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn ask_snapshot(&self) -> Option<oneshot::Receiver<Value>> {
        let (tx, rx) = oneshot::channel();
        self.post(Signal::Snapshot(tx)).ok().map(|()| rx)
    }

    fn kill(&self) -> bool {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        current.map(|actor| actor.get_cell().kill()).is_some()
    }
}
