//! The worker: turns messages into decisions of the state, and those into tasks.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::engine::Engine;
use super::messages::{RankerMsg, Waiter};
use super::request::{Plan, Want};
use super::shelf::{Found, count};
use super::snapshot::Snapshot;
use super::state::{RankerState, Verdict};
use crate::domain::UserId;
use crate::domain::feed::Rung;
use crate::error::{Error, Kind, Result};
use crate::runtime::{Actor, Ctx, Reply};

/// Kind of the workers.
pub(super) const KIND: &str = "ranker";

/// Ranks feeds of the readers that are its own.
pub(super) struct RankerActor {
    engine: Engine,
    state: RankerState<Waiter>,
}

impl Actor for RankerActor {
    type Msg = RankerMsg;
    type Args = Engine;

    const KIND: &'static str = KIND;

    fn init(engine: Engine, _: &mut Ctx<Self>) -> Result<Self> {
        let state = RankerState::new(engine.settings);
        Ok(Self { engine, state })
    }

    async fn handle(&mut self, msg: RankerMsg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg {
            RankerMsg::Page { plan, reply } => self.page(plan, reply, ctx),
            RankerMsg::Explain { reader, post, reply } => {
                if self.state.admit() {
                    let want = Want::usual(reader, &self.engine.settings);
                    let waiter = Waiter::Explain {
                        reader,
                        want,
                        post,
                        reply,
                    };
                    self.look_up(waiter, ctx);
                } else {
                    reply.send(Err(overloaded()));
                }
            }
            RankerMsg::MarkDirty { reader, reply } => self.mark_dirty(reader, reply, ctx),
            RankerMsg::LookedUp { waiter, found } => self.looked_up(waiter, found, ctx),
            RankerMsg::Built { flight, snapshot } => self.built(flight, snapshot, ctx),
            RankerMsg::Published { flight } => self.published(flight, ctx),
            RankerMsg::Answered => self.state.release(),
            RankerMsg::Done => {}
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        let (requests, builds, snapshots) = self.state.figures();
        json!({ "requests": requests, "builds": builds, "snapshots": snapshots })
    }
}

impl RankerActor {
    fn page(&mut self, plan: Plan, reply: Reply<Result<super::page::FeedPage>>, ctx: &mut Ctx<Self>) {
        if !self.state.admit() {
            reply.send(Err(overloaded()));
            return;
        }
        let since = Instant::now();
        if let Some(cursor) = plan.cursor {
            let known = self.state.known(plan.reader, cursor.generation);
            let work = self.engine.clone().go_on(plan, cursor, known, (since, reply));
            ctx.run(work, |()| RankerMsg::Answered);
            return;
        }
        let waiter = Waiter::Page { plan, since, reply };
        if plan.want == Want::usual(plan.reader, &self.engine.settings) {
            self.look_up(waiter, ctx);
        } else {
            self.wait(waiter, ctx);
        }
    }

    fn look_up(&mut self, waiter: Waiter, ctx: &mut Ctx<Self>) {
        let reader = waiter.reader();
        let known = self.state.known_current(reader);
        let shelf = self.engine.shelf.clone();
        ctx.run(async move { shelf.current(reader, known).await }, move |found| {
            RankerMsg::LookedUp { waiter, found }
        });
    }

    fn looked_up(&mut self, waiter: Waiter, found: Found, ctx: &mut Ctx<Self>) {
        if waiter.has_left() {
            self.state.release();
            return;
        }
        let now = self.engine.clock.now();
        let reader = waiter.reader();
        let (verdict, result) = self.state.judge(reader, found, now);
        count(result);
        match verdict {
            Verdict::Serve(snapshot) => {
                let rung = snapshot.origin.rung;
                self.answer(waiter, snapshot, rung, ctx);
            }
            Verdict::ServeStale(snapshot) => {
                self.answer(waiter, snapshot, Rung::Stale, ctx);
                if let Some(flight) = self.state.refresh(reader, now) {
                    self.build(flight, reader, Want::usual(reader, &self.engine.settings), ctx);
                }
            }
            Verdict::Build => self.wait(waiter, ctx),
        }
    }

    fn wait(&mut self, waiter: Waiter, ctx: &mut Ctx<Self>) {
        let (reader, want) = (waiter.reader(), waiter.want());
        if let Some(flight) = self.state.join(reader, want, waiter) {
            self.build(flight, reader, want, ctx);
        }
    }

    fn build(&mut self, flight: u64, reader: UserId, want: Want, ctx: &mut Ctx<Self>) {
        let builder = self.engine.builder.clone();
        ctx.run(
            async move { Arc::new(builder.build(reader, want).await) },
            move |snapshot| RankerMsg::Built { flight, snapshot },
        );
    }

    fn built(&mut self, flight: u64, snapshot: Arc<Snapshot>, ctx: &mut Ctx<Self>) {
        let jitter = rand::random::<f64>() * 2.0 - 1.0;
        let now = self.engine.clock.now();
        if let Some(publication) = self.state.built(flight, snapshot, now, jitter) {
            let work = self.engine.clone().publish(publication);
            ctx.run(work, move |()| RankerMsg::Published { flight });
        }
    }

    fn published(&mut self, flight: u64, ctx: &mut Ctx<Self>) {
        let Some(landed) = self.state.published(flight) else {
            return;
        };
        if landed.outdated {
            let shelf = self.engine.shelf.clone();
            ctx.run(
                async move {
                    if let Err(error) = shelf.forget(landed.reader).await {
                        tracing::warn!(%error, "an outdated feed could not be forgotten");
                    }
                },
                |()| RankerMsg::Done,
            );
        }
        let rung = landed.snapshot.origin.rung;
        for waiter in landed.waiters {
            self.answer(waiter, Arc::clone(&landed.snapshot), rung, ctx);
        }
    }

    fn answer(&mut self, waiter: Waiter, snapshot: Arc<Snapshot>, rung: Rung, ctx: &mut Ctx<Self>) {
        if waiter.has_left() {
            self.state.release();
            return;
        }
        let work = self.engine.clone().answer(waiter, snapshot, rung);
        ctx.run(work, |()| RankerMsg::Answered);
    }

    fn mark_dirty(&mut self, reader: UserId, reply: Reply<Result<()>>, ctx: &mut Ctx<Self>) {
        self.state.mark(reader, self.engine.clock.now());
        let (shelf, place) = (self.engine.shelf.clone(), ctx.hold());
        let work = async move {
            reply.send(shelf.forget(reader).await);
            drop(place);
        };
        ctx.run(work, |()| RankerMsg::Done);
    }
}

fn overloaded() -> Error {
    Error::new(Kind::Overloaded, "too many feeds are being made")
}
