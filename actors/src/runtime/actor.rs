//! What an actor is to Nova.

use std::future::Future;

use serde_json::Value;

use super::context::Ctx;
use crate::error::Result;

/// An actor: state that only its own messages change, one at a time.
///
/// An error or a panic from any of these functions means that the state cannot be trusted any more: the actor
/// ends and its supervisor decides what follows. A client's mistake is answered, never returned.
pub trait Actor: Sized + Send + 'static {
    /// What it understands.
    type Msg: Send + 'static;
    /// Everything that a restart needs.
    type Args: Clone + Send + Sync + 'static;

    /// Label of its metrics; shared by actors of the same sort.
    const KIND: &'static str;

    /// Makes the state. Takes microseconds: no I/O, no children.
    ///
    /// # Errors
    /// Counts as a failed start.
    fn init(args: Self::Args, ctx: &mut Ctx<Self>) -> Result<Self>;

    /// First thing done when running: starts children, timers and I/O tasks.
    ///
    /// # Errors
    /// Counts as a failure of the actor.
    fn started(&mut self, _ctx: &mut Ctx<Self>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Handles one message. Slow things go into [`Ctx::run`].
    ///
    /// # Errors
    /// Only when the state cannot be trusted any more.
    fn handle(&mut self, msg: Self::Msg, ctx: &mut Ctx<Self>) -> impl Future<Output = Result<()>> + Send;

    /// Last thing done on an ordered end, after the mailbox was worked off; not after a crash or a kill.
    fn stopping(&mut self, _ctx: &mut Ctx<Self>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// What `/internal/actors` shows.
    fn snapshot(&self) -> Value {
        Value::Null
    }
}
