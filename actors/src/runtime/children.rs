//! The supervised children of one actor.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ractor::{ActorCell, ActorId};
use tokio::time::Instant;

use super::actor::Actor;
use super::address::Seat;
use super::restart::{ChildSpec, Decision, History};
use super::shell::{Shell, ShellArgs};
use super::tree::{Life, Node};
use crate::error::{Error, Result};

type Start = Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell>> + Send + Sync>;

struct Child {
    key: u64,
    spec: ChildSpec,
    node: Arc<dyn Node>,
    history: History,
    running: Option<ActorCell>,
    start: Start,
}

/// In the order in which they were started; stopped in reverse.
#[derive(Default)]
pub(super) struct Children {
    list: Vec<Child>,
    next_key: u64,
}

impl Children {
    pub(super) async fn add<C: Actor>(
        &mut self,
        seat: Arc<Seat<C::Msg>>,
        spec: ChildSpec,
        args: C::Args,
        parent: ActorCell,
    ) -> Result<()> {
        let key = self.next_key;
        self.next_key += 1;
        let node: Arc<dyn Node> = Arc::clone(&seat) as Arc<dyn Node>;
        let start: Start = Box::new(move |parent| {
            let args = ShellArgs {
                seat: Arc::clone(&seat),
                args: args.clone(),
            };
            Box::pin(async move {
                // No ractor name: its registry is global to the process, and we never look anything up there.
                let (actor, _) = parent
                    .spawn_linked(None, Shell::<C>::default(), args)
                    .await
                    .map_err(|e| Error::internal(format!("the actor could not be started: {e}")))?;
                Ok(actor.get_cell())
            })
        });
        let history = History::new(&spec);
        self.list.push(Child {
            key,
            spec,
            node,
            history,
            running: None,
            start,
        });
        self.start(key, parent).await
    }

    pub(super) async fn start(&mut self, key: u64, parent: ActorCell) -> Result<()> {
        let Some(child) = self.list.iter_mut().find(|c| c.key == key) else {
            return Ok(());
        };
        child.running = Some((child.start)(parent).await?);
        Ok(())
    }

    pub(super) fn key_of(&self, id: ActorId) -> Option<u64> {
        let child = self
            .list
            .iter()
            .find(|c| c.running.as_ref().is_some_and(|r| r.get_id() == id))?;
        Some(child.key)
    }

    /// What to do about a child that ended: `Some` with the pause before its restart, `None` to forget it.
    ///
    /// # Errors
    /// When it failed too often: the supervisor gives up, upward.
    pub(super) fn decide(&mut self, key: u64, failed: bool, why: &str) -> Result<Option<(Duration, String)>> {
        let Some(child) = self.list.iter_mut().find(|c| c.key == key) else {
            return Ok(None);
        };
        child.running = None;
        match child.history.on_exit(&child.spec, failed, Instant::now()) {
            Decision::Forget => {
                child.node.vacate(Life::Stopped);
                Ok(None)
            }
            Decision::RestartAfter(delay) => {
                child.node.vacate(Life::Restarting);
                child.node.count_restart();
                tracing::warn!(
                    actor = child.spec.name,
                    kind = child.node.kind(),
                    why,
                    "actor failed, restarting"
                );
                Ok(Some((delay, child.spec.name.clone())))
            }
            Decision::GiveUp => {
                child.node.vacate(Life::Stopped);
                Err(Error::internal(format!(
                    "{} failed too often, last: {why}",
                    child.spec.name
                )))
            }
        }
    }

    pub(super) fn forget(&mut self, key: u64) -> Option<String> {
        let at = self.list.iter().position(|c| c.key == key)?;
        Some(self.list.remove(at).spec.name)
    }

    pub(super) async fn stop(&mut self, name: &str) {
        let Some(at) = self.list.iter().position(|c| c.spec.name == name) else {
            return;
        };
        let child = self.list.remove(at);
        child.end().await;
    }

    /// Stops all, the last started first.
    pub(super) async fn stop_all(&mut self) {
        while let Some(child) = self.list.pop() {
            child.end().await;
        }
    }
}

impl Child {
    async fn end(self) {
        if let Some(running) = self.running
            && running.drain_and_wait(Some(self.spec.drain)).await.is_err()
        {
            tracing::warn!(
                actor = self.spec.name,
                "actor did not drain in time and is killed"
            );
            running.kill();
        }
        self.node.vacate(Life::Stopped);
    }
}
