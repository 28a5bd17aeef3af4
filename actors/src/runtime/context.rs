//! What an actor can do besides answering: tasks, timers, children, its own end.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use ractor::ActorRef;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::actor::Actor;
use super::address::{Address, Signal};
use super::children::Children;
use super::gate::Permit;
use super::restart::ChildSpec;
use super::tree::Node;
use crate::error::{Error, Result};

/// The running actor's side of the runtime.
pub struct Ctx<A: Actor> {
    me: Address<A::Msg>,
    cell: ActorRef<Signal<A::Msg>>,
    tasks: JoinSet<()>,
    waits: JoinSet<()>,
    pub(super) admission: Option<Permit>,
    pub(super) children: Children,
}

impl<A: Actor> std::fmt::Debug for Ctx<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ctx")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

impl<A: Actor> Ctx<A> {
    pub(super) fn new(me: Address<A::Msg>, cell: ActorRef<Signal<A::Msg>>) -> Self {
        Self {
            me,
            cell,
            tasks: JoinSet::new(),
            waits: JoinSet::new(),
            admission: None,
            children: Children::default(),
        }
    }

    /// The actor's own address.
    #[must_use]
    pub fn me(&self) -> &Address<A::Msg> {
        &self.me
    }

    /// The actor's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.me.name()
    }

    /// Runs `work` beside the actor and hands it the outcome as a message, at most once. The task dies with
    /// this incarnation; a panic inside it fails the actor. What may be outdated on arrival carries a
    /// generation.
    pub fn run<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
        to_msg: impl FnOnce(T) -> A::Msg + Send + 'static,
    ) {
        self.reap();
        self.tasks.spawn(reported(self.cell.clone(), work, to_msg));
    }

    /// Sends the actor `msg` after `delay`.
    pub fn after(&mut self, delay: Duration, msg: A::Msg) {
        self.wait(sleep(delay), move |()| msg);
    }

    /// As [`Ctx::run`], for what does nothing but wait: [`Ctx::finish_tasks`] does not wait for it.
    pub fn wait<T, F>(&mut self, event: F, to_msg: impl FnOnce(T) -> A::Msg + Send + 'static)
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.reap();
        self.waits.spawn(reported(self.cell.clone(), event, to_msg));
    }

    /// Keeps the place in the mailbox of the message that is being handled, until what is returned is dropped:
    /// for work that waits in the actor's own queue, which has no other bound.
    pub fn hold(&mut self) -> Held {
        Held {
            _place: self.admission.take(),
        }
    }

    /// Sends the actor a message every `period`, first after one period. A tick is left out while the one
    /// before is still waiting, so that a slow actor is never buried.
    pub fn every(&mut self, period: Duration, make: impl Fn() -> A::Msg + Send + 'static) {
        let cell = self.cell.clone();
        let pending = Arc::new(AtomicBool::new(false));
        self.reap();
        self.waits.spawn(async move {
            loop {
                sleep(period).await;
                if pending.swap(true, Ordering::AcqRel) {
                    continue;
                }
                let permit = Permit::Tick(Arc::clone(&pending));
                if cell.send_message(Signal::User { msg: make(), permit }).is_err() {
                    return;
                }
            }
        });
    }

    /// Starts a supervised child.
    ///
    /// # Errors
    /// When the child refuses its arguments.
    pub async fn spawn_child<C: Actor>(&mut self, spec: ChildSpec, args: C::Args) -> Result<Address<C::Msg>> {
        let address = Address::vacant(C::KIND, spec.name.clone(), spec.capacity);
        self.spawn_child_at::<C>(&address, spec, args).await?;
        Ok(address)
    }

    /// Starts a supervised child at an address that was given out beforehand, and that stays good even when
    /// this supervisor itself is restarted.
    ///
    /// # Errors
    /// When the child refuses its arguments.
    pub async fn spawn_child_at<C: Actor>(
        &mut self,
        address: &Address<C::Msg>,
        spec: ChildSpec,
        args: C::Args,
    ) -> Result<()> {
        let seat = Arc::clone(&address.0);
        self.me.0.add_child(Arc::clone(&seat) as Arc<dyn Node>);
        self.children
            .add::<C>(seat, spec, args, self.cell.get_cell())
            .await
    }

    /// Stops a child in order: its mailbox is worked off first, within its drain deadline.
    pub async fn stop_child(&mut self, name: &str) {
        self.me.0.forget_child(name);
        self.children.stop(name).await;
    }

    /// Ends this actor after the messages that are already waiting.
    pub fn stop(&self) {
        let _ = self.cell.drain();
    }

    /// Waits until the actor's tasks are done, for at most `deadline`: for work that must not be cut off by
    /// an ordered end. Their messages are not handled any more; timers are not waited for.
    pub async fn finish_tasks(&mut self, deadline: Duration) {
        let _ = timeout(deadline, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
    }

    pub(super) async fn start_child(&mut self, key: u64) -> Result<()> {
        let cell = self.cell.get_cell();
        match self.children.start(key, cell).await {
            Ok(()) => Ok(()),
            Err(error) => self.child_exited_key(key, true, &error.to_string()),
        }
    }

    pub(super) fn child_exited(&mut self, id: ractor::ActorId, failed: bool, why: &str) -> Result<()> {
        match self.children.key_of(id) {
            Some(key) => self.child_exited_key(key, failed, why),
            None => Ok(()),
        }
    }

    fn child_exited_key(&mut self, key: u64, failed: bool, why: &str) -> Result<()> {
        let Some((delay, name)) = self.children.decide(key, failed, why)? else {
            if let Some(name) = self.children.forget(key) {
                self.me.0.forget_child(&name);
            }
            return Ok(());
        };
        let cell = self.cell.clone();
        tracing::debug!(actor = name, ?delay, "actor will be restarted");
        self.reap();
        self.waits.spawn(async move {
            sleep(delay).await;
            let _ = cell.send_message(Signal::StartChild(key));
        });
        Ok(())
    }

    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while self.waits.try_join_next().is_some() {}
    }
}

/// What [`Ctx::hold`] keeps.
#[derive(Debug)]
pub struct Held {
    _place: Option<Permit>,
}

/// Tells the actor how `work` ended.
async fn reported<M: Send + 'static, T>(
    cell: ActorRef<Signal<M>>,
    work: impl Future<Output = T>,
    to_msg: impl FnOnce(T) -> M,
) {
    let signal = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(output) => Signal::User {
            msg: to_msg(output),
            permit: Permit::Own,
        },
        Err(panic) => Signal::TaskPanicked(panic_text(panic.as_ref())),
    };
    let _ = cell.send_message(signal);
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text").to_owned()
}

pub(super) fn task_panicked(text: &str) -> Error {
    Error::internal(format!("a task of the actor panicked: {text}"))
}
