//! What the room does about the broadcast's life: tells viewers of changes and of the end, keeps the stored
//! figures up to date, ends an abandoned stream, and goes when all is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::actor::StreamActor;
use super::messages::{Own, StreamMsg};
use crate::domain::room::RoomEvent;
use crate::domain::{EndedReason, LiveStream, StreamId, Timestamp, ViewerTotals, WriteContext};
use crate::error::{Kind, Result};
use crate::runtime::Ctx;
use crate::streams::directory::DirectoryMsg;
use crate::streams::handle::Shared;

/// How old the owner's stored sign of life may become while the owner is connected.
const OWNER_FRESH: Duration = Duration::from_secs(30);
/// How long viewers of other nodes are counted after the bus last told how many they are.
const COUNTS_GOOD_FOR: Duration = Duration::from_secs(15);
/// Longest wait for the store on the way out.
const LAST_STORE: Duration = Duration::from_secs(2);

/// What is under way, each at most once, and when things are due again.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Nothing is left to do; the directory is asked to stop this actor.
    pub(super) finished: bool,
    ended_since: Option<Instant>,
    ending: bool,
    informing: bool,
    counting: bool,
    counted_at: Option<Instant>,
    told_viewers: Option<u64>,
    storing: bool,
    stored_at: Option<Instant>,
    rechecking: bool,
    rechecked_at: Option<Instant>,
    abandoning: bool,
    changes: u64,
}

fn due(last: &mut Option<Instant>, period: Duration, now: Instant) -> bool {
    let since = *last.get_or_insert(now);
    let due = now.duration_since(since) >= period;
    if due {
        *last = Some(now);
    }
    due
}

impl StreamActor {
    /// A newer row: viewers hear what concerns them.
    pub(super) fn changed(&mut self, row: LiveStream, ctx: &mut Ctx<Self>) {
        self.life.changes += 1;
        let Some(room) = &mut self.room else { return };
        room.changed(row);
        self.announce(ctx);
    }

    /// Sequences the end when the row has ended, or else a new title or category. Whatever fails is tried
    /// again each second, by this incarnation or the next: the row says what is still to be told.
    fn announce(&mut self, ctx: &mut Ctx<Self>) {
        let Some(room) = &mut self.room else { return };
        if room.has_ended() {
            return;
        }
        if let Some(reason) = room.row().ended_at.map(|_| room.row().ended_reason) {
            if !std::mem::replace(&mut self.life.ending, true) {
                let reason = reason.unwrap_or(EndedReason::Ended).as_str();
                let publish = self.publish(RoomEvent::ended(reason), None);
                ctx.run(publish, |outcome| StreamMsg::Own(Own::EndPublished(outcome)));
            }
        } else if let Some(info) = room.untold() {
            if !std::mem::replace(&mut self.life.informing, true) {
                let publish = self.publish(RoomEvent::Info(info.clone()), None);
                ctx.run(publish, |outcome| StreamMsg::Own(Own::Informed { info, outcome }));
            }
        } else if let Some(row) = self.room.as_ref().map(|room| room.row()) {
            self.args.memory.set_told(super::state::info_of(row));
        }
    }

    /// The outcome of something that was under way.
    pub(super) fn lived(&mut self, own: Own, ctx: &mut Ctx<Self>) {
        let Some(room) = &mut self.room else { return };
        match own {
            Own::Informed { info, outcome } => {
                self.life.informing = false;
                if outcome.is_ok() {
                    self.args.memory.set_told(info.clone());
                    room.told(info);
                    self.announce(ctx);
                }
            }
            Own::EndPublished(outcome) => {
                self.life.ending = false;
                // It was sequenced before, yet it is not among our events: they are incomplete.
                if outcome.is_err_and(|e| *e.kind() == Kind::StreamEnded) && !room.has_ended() {
                    self.open(ctx);
                }
            }
            Own::Counted(outcome) => self.counted(outcome),
            Own::Stored {
                totals,
                owner,
                outcome,
            } => {
                self.life.storing = false;
                match outcome {
                    Ok(()) => room.stored(totals, owner),
                    Err(error) => tracing::warn!(stream = %self.args.id, %error, "viewer figures not stored"),
                }
            }
            Own::Rechecked { changes, outcome } => {
                self.life.rechecking = false;
                if let Ok(Some(row)) = outcome
                    && changes == self.life.changes
                {
                    self.changed(row, ctx);
                }
            }
            Own::Abandoned(outcome) => {
                self.life.abandoning = false;
                match outcome {
                    Ok(Some(row)) => self.changed(row, ctx),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(stream = %self.args.id, %error, "abandoned stream not ended yet");
                    }
                }
            }
            Own::Open
            | Own::Opened(_)
            | Own::Heard { .. }
            | Own::Chatted { .. }
            | Own::Flush
            | Own::Second => {}
        }
    }

    fn counted(&mut self, elsewhere: Result<u64>) {
        self.life.counting = false;
        let Some(room) = &mut self.room else { return };
        let now = Instant::now();
        if let Ok(elsewhere) = elsewhere {
            self.life.counted_at = Some(now);
            room.elsewhere(elsewhere);
            return;
        }
        self.life.told_viewers = None;
        // Without the bus each node counts for itself.
        if due(&mut self.life.counted_at, COUNTS_GOOD_FOR, now) {
            room.elsewhere(0);
        }
    }

    /// Once a second: figures, what is due, and the way out.
    pub(super) fn second(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = Instant::now();
        self.show_state()?;
        if self.room.is_some() {
            self.count(ctx);
            self.announce(ctx);
            self.store(now, ctx);
            self.recheck(now, ctx);
            self.abandon(ctx);
            self.close_when_over(now);
        }
        if self.life.finished {
            // Said each second until it is heard.
            let _ = self.args.shared.directory.tell(DirectoryMsg::Done(self.args.id));
        }
        Ok(())
    }

    /// Tells the bus how many viewers are here, and asks it how many are elsewhere.
    fn count(&mut self, ctx: &mut Ctx<Self>) {
        let Some(room) = &self.room else { return };
        let here = room.members.connected();
        if std::mem::replace(&mut self.life.counting, true) {
            return;
        }
        let told = self.life.told_viewers.replace(here) == Some(here);
        let (id, shared) = (self.args.id, Arc::clone(&self.args.shared));
        let work = async move {
            let bus = &shared.ports.bus;
            if !told {
                bus.set_viewers(id, here).await?;
            }
            let everywhere = bus.viewers(&[id]).await?.get(&id).copied().unwrap_or(0);
            Ok(everywhere.saturating_sub(here))
        };
        ctx.run(work, |outcome| StreamMsg::Own(Own::Counted(outcome)));
    }

    fn store(&mut self, now: Instant, ctx: &mut Ctx<Self>) {
        let Some(room) = &self.room else { return };
        let settings = &self.args.shared.settings;
        if self.life.storing
            || !room.row().is_live()
            || !due(&mut self.life.stored_at, settings.store_totals_every, now)
        {
            return;
        }
        let fresh = if settings.abandon_after.is_zero() {
            OWNER_FRESH
        } else {
            OWNER_FRESH.min(settings.abandon_after / 4)
        };
        let Some((totals, owner)) = room.unstored(fresh) else {
            return;
        };
        self.life.storing = true;
        let (id, shared) = (self.args.id, Arc::clone(&self.args.shared));
        let work = async move { shared.ports.store.touch(id, totals, owner).await };
        ctx.run(work, move |outcome| {
            StreamMsg::Own(Own::Stored {
                totals,
                owner,
                outcome,
            })
        });
    }

    /// Another node may have changed or ended the stream and died before it told anyone; and a message to
    /// this actor may have been refused.
    fn recheck(&mut self, now: Instant, ctx: &mut Ctx<Self>) {
        let every = self.args.shared.settings.recheck_every;
        if self.life.rechecking || !due(&mut self.life.rechecked_at, every, now) {
            return;
        }
        self.life.rechecking = true;
        let (id, shared) = (self.args.id, Arc::clone(&self.args.shared));
        let changes = self.life.changes;
        let work = async move { shared.ports.streams.load(id).await };
        ctx.run(work, move |outcome| {
            StreamMsg::Own(Own::Rechecked { changes, outcome })
        });
    }

    fn abandon(&mut self, ctx: &mut Ctx<Self>) {
        let Some(room) = &mut self.room else { return };
        let limit = self.args.shared.settings.abandon_after;
        let now = self.args.shared.ports.clock.now();
        if self.life.abandoning || !room.is_abandoned(limit, now) {
            return;
        }
        self.life.abandoning = true;
        let totals = room.totals();
        let (id, shared) = (self.args.id, Arc::clone(&self.args.shared));
        let work = async move { end_if_abandoned(&shared, id, totals, now).await };
        ctx.run(work, |outcome| StreamMsg::Own(Own::Abandoned(outcome)));
    }

    fn close_when_over(&mut self, now: Instant) {
        let Some(room) = &self.room else { return };
        if !room.has_ended() {
            return;
        }
        let since = *self.life.ended_since.get_or_insert(now);
        if room.is_empty() || now.duration_since(since) >= self.args.shared.settings.linger {
            self.life.finished = true;
        }
    }

    /// The last thing an actor does that ends in order.
    pub(super) async fn store_finally(&mut self) {
        let Some(room) = &self.room else { return };
        let ports = &self.args.shared.ports;
        let work = async {
            if room.row().is_live()
                && let Some((totals, owner)) = room.unstored(OWNER_FRESH)
            {
                ports.store.touch(self.args.id, totals, owner).await?;
            }
            ports.bus.set_viewers(self.args.id, 0).await
        };
        if !matches!(timeout(LAST_STORE, work).await, Ok(Ok(()))) {
            tracing::warn!(stream = %self.args.id, "viewer figures not stored at the end");
        }
    }
}

/// Ends the stream unless the store knows of a later sign of life than this node does.
async fn end_if_abandoned(
    shared: &Shared,
    id: StreamId,
    totals: ViewerTotals,
    now: Timestamp,
) -> Result<Option<LiveStream>> {
    let ports = &shared.ports;
    let Some(row) = ports.store.streams(&[id]).await?.remove(&id) else {
        return Ok(None);
    };
    let seen = row.owner_seen_at.max(shared.booted_at);
    if !row.is_live() || now.since(seen) < shared.settings.abandon_after {
        return Ok(Some(row));
    }
    let totals = ViewerTotals { viewers: 0, ..totals };
    let ctx = WriteContext::untracked();
    let ended = ports
        .store
        .end(id, EndedReason::Abandoned, totals, &ctx, now)
        .await?;
    (ports.committed)();
    tracing::info!(stream = %id, "live stream abandoned by its owner, ended");
    Ok(Some(ended.into_inner()))
}
