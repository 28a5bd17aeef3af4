//! Supervisors that only supervise, and the root of the tree.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ractor::{Actor as RactorActor, ActorCell};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::actor::Actor;
use super::address::Address;
use super::context::Ctx;
use super::restart::ChildSpec;
use super::shell::{Shell, ShellArgs};
use super::tree::{ActorTree, Life, Node};
use crate::error::{Error, Result};

type Start = Arc<dyn for<'a> Fn(&'a mut Ctx<Group>) -> BoxFuture<'a, Result<()>> + Send + Sync>;

/// A list of children under one supervisor, started in order and stopped in reverse.
#[derive(Clone)]
pub struct GroupSpec {
    name: &'static str,
    children: Vec<Start>,
}

impl std::fmt::Debug for GroupSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupSpec")
            .field("name", &self.name)
            .field("children", &self.children.len())
            .finish()
    }
}

impl GroupSpec {
    /// A group without children.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            children: Vec::new(),
        }
    }

    /// Adds an actor at an address that was given out beforehand.
    #[must_use]
    pub fn child<C: Actor>(mut self, address: &Address<C::Msg>, spec: ChildSpec, args: C::Args) -> Self {
        let address = address.clone();
        self.children.push(Arc::new(move |ctx: &mut Ctx<Group>| {
            let (spec, args, address) = (spec.clone(), args.clone(), address.clone());
            Box::pin(async move { ctx.spawn_child_at::<C>(&address, spec, args).await })
        }));
        self
    }

    /// Adds a group below this one.
    #[must_use]
    pub fn group(mut self, group: GroupSpec) -> Self {
        let spec = ChildSpec::permanent(group.name).drain(Duration::from_secs(10));
        let address = Address::vacant(Group::KIND, group.name, 16);
        self.children.push(Arc::new(move |ctx: &mut Ctx<Group>| {
            let (spec, group, address) = (spec.clone(), group.clone(), address.clone());
            Box::pin(async move {
                ctx.spawn_child_at::<Group>(&address, spec, group).await?;
                started(&*address.0).await;
                Ok(())
            })
        }));
        self
    }
}

/// Waits until an actor has done its `started` (or failed in it): it answers nothing before.
async fn started(node: &dyn Node) {
    if let Some(answer) = node.ask_snapshot() {
        let _ = answer.await;
    }
}

/// A supervisor without work of its own.
#[derive(Debug)]
pub struct Group {
    spec: GroupSpec,
}

/// A group understands nothing.
#[derive(Debug)]
pub enum Never {}

impl Actor for Group {
    type Msg = Never;
    type Args = GroupSpec;

    const KIND: &'static str = "supervisor";

    fn init(spec: GroupSpec, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { spec })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        for start in &self.spec.children {
            start(ctx).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, msg: Never, _: &mut Ctx<Self>) -> Result<()> {
        match msg {}
    }

    fn snapshot(&self) -> Value {
        json!({ "children": self.spec.children.len() })
    }
}

/// A running tree.
#[derive(Debug)]
pub struct Root {
    cell: ActorCell,
    tree: ActorTree,
    ended: watch::Receiver<bool>,
}

impl Root {
    /// Starts `group` as the root. Its children are started when this returns.
    ///
    /// # Errors
    /// When a child refuses its arguments.
    pub async fn start(group: GroupSpec) -> Result<Self> {
        let address = Address::vacant(Group::KIND, group.name, 16);
        Self::start_actor::<Group>(&address, group).await
    }

    /// Starts any actor as a root, at `address`.
    ///
    /// # Errors
    /// When it refuses its arguments.
    pub async fn start_actor<A: Actor>(address: &Address<A::Msg>, args: A::Args) -> Result<Self> {
        let seat = Arc::clone(&address.0);
        let args = ShellArgs::<A> {
            seat: Arc::clone(&seat),
            args,
        };
        let (actor, join) = Shell::<A>::spawn(None, Shell::<A>::default(), args)
            .await
            .map_err(|e| Error::internal(format!("the root actor could not be started: {e}")))?;
        let (tell, ended) = watch::channel(false);
        let node: Arc<dyn Node> = seat;
        started(&*node).await;
        let left = Arc::clone(&node);
        #[expect(clippy::disallowed_methods, reason = "ends with the root that it watches")]
        tokio::spawn(async move {
            let _ = join.await;
            left.vacate(Life::Stopped);
            let _ = tell.send(true);
        });
        Ok(Self {
            cell: actor.get_cell(),
            tree: ActorTree::new(node),
            ended,
        })
    }

    /// The tree below this root.
    #[must_use]
    pub fn tree(&self) -> ActorTree {
        self.tree.clone()
    }

    /// Resolves when the root has ended: by [`Root::drain`], or because it gave up.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Stops everything in order, within `deadline`; what is left then is killed. `true` when all drained.
    pub async fn drain(&self, deadline: Duration) -> bool {
        let drained = self.cell.drain_and_wait(Some(deadline)).await.is_ok() || *self.ended.borrow();
        if !drained {
            self.cell.kill();
        }
        drained
    }
}
