//! The one place where Nova's actors meet ractor.

use std::marker::PhantomData;
use std::sync::Arc;

use ::metrics::Histogram;
use ractor::{Actor as RactorActor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::Instant;

use super::actor::Actor;
use super::address::{Address, Seat, Signal};
use super::context::{Ctx, task_panicked};
use super::metrics::{self, kind_histogram};

pub(super) struct Shell<A>(PhantomData<fn() -> A>);

impl<A> Default for Shell<A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

pub(super) struct ShellArgs<A: Actor> {
    pub(super) seat: Arc<Seat<A::Msg>>,
    pub(super) args: A::Args,
}

pub(super) struct Running<A: Actor> {
    actor: A,
    ctx: Ctx<A>,
    took: Histogram,
}

impl<A: Actor> RactorActor for Shell<A> {
    type Msg = Signal<A::Msg>;
    type State = Running<A>;
    type Arguments = ShellArgs<A>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        args: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let mut ctx = Ctx::new(Address(Arc::clone(&args.seat)), myself.clone());
        let actor = A::init(args.args, &mut ctx)?;
        args.seat.take(myself);
        let took = kind_histogram(metrics::ACTOR_HANDLE_DURATION, A::KIND);
        Ok(Running { actor, ctx, took })
    }

    async fn post_start(
        &self,
        _: ActorRef<Self::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Running { actor, ctx, .. } = &mut *state;
        Ok(actor.started(ctx).await?)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        signal: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Running { actor, ctx, took } = &mut *state;
        match signal {
            Signal::User { msg, permit } => {
                let begun = Instant::now();
                ctx.admission = Some(permit);
                let done = actor.handle(msg, ctx).await;
                took.record(begun.elapsed());
                // Makes room for the next message, unless the actor holds on to the place.
                ctx.admission = None;
                Ok(done?)
            }
            Signal::Snapshot(reply) => {
                let _ = reply.send(actor.snapshot());
                Ok(())
            }
            Signal::StartChild(key) => Ok(ctx.start_child(key).await?),
            Signal::TaskPanicked(text) => Err(task_panicked(&text).into()),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let ctx = &mut state.ctx;
        match event {
            SupervisionEvent::ActorFailed(child, error) => {
                Ok(ctx.child_exited(child.get_id(), true, &error.to_string())?)
            }
            SupervisionEvent::ActorTerminated(child, last_state, reason) => {
                drop(last_state);
                // An ordered end says nothing or "Drained"; anything else is a kill or a cancelled task.
                let ordered = matches!(reason.as_deref(), None | Some("Drained"));
                let why = reason.unwrap_or_else(|| "ended".to_owned());
                Ok(ctx.child_exited(child.get_id(), !ordered, &why)?)
            }
            _ => Ok(()),
        }
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Running { actor, ctx, .. } = &mut *state;
        actor.stopping(ctx).await;
        ctx.children.stop_all().await;
        Ok(())
    }
}
