//! The room's shell: opens it, passes events on. Letting viewers in is in `admission`, what concerns the
//! broadcast's life in `life`.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Histogram, histogram};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::gauge::ViewerGauge;
use super::life::Life;
use super::messages::{Own, StreamMsg};
use super::ring::Ring;
use super::state::{Before, Room};
use super::tick::Due;
use crate::domain::room::{ChatLine, RoomEvent, SequencedEvent};
use crate::domain::{LiveStream, MessageId, StreamId};
use crate::error::{Error, Kind, Result};
use crate::ports::rooms::{DedupKey, Published, RoomSubscription};
use crate::runtime::retry::{Pauses, RetrySettings};
use crate::runtime::{Actor, Address, Ctx, Reply, metrics};
use crate::streams::handle::Shared;
use crate::streams::outbox::CloseReason;
use crate::streams::rooms::RoomMemory;
use crate::streams::shard::{Report, ShardMsg};
use crate::streams::viewers::{ChatRequest, JoinRequest, Joined};

/// Events taken from the bus at one time.
const BATCH: usize = 256;
/// Pause before a shard that had too much to do is tried again.
const AGAIN: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);

/// What a room needs to start again.
#[derive(Debug, Clone)]
pub(in crate::streams) struct StreamArgs {
    pub(in crate::streams) id: StreamId,
    pub(in crate::streams) shared: Arc<Shared>,
    pub(in crate::streams) memory: Arc<RoomMemory>,
}

/// See the module's card.
pub(in crate::streams) struct StreamActor {
    pub(super) args: StreamArgs,
    pub(super) room: Option<Box<Room>>,
    pub(super) life: Life,
    pub(super) shards: Vec<Address<ShardMsg>>,
    pub(super) waiting: Vec<(JoinRequest, Reply<Result<Joined>>)>,
    opening: bool,
    pauses: Pauses,
    flush_armed: bool,
    chats: usize,
    pub(super) viewers: ViewerGauge,
    publish_took: Histogram,
}

impl Actor for StreamActor {
    type Msg = StreamMsg;
    type Args = StreamArgs;

    const KIND: &'static str = "stream";

    fn init(args: StreamArgs, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            args,
            room: None,
            life: Life::default(),
            shards: Vec::new(),
            waiting: Vec::new(),
            opening: false,
            pauses: RetrySettings::default().pauses(),
            flush_armed: false,
            chats: 0,
            viewers: ViewerGauge::new(),
            publish_took: histogram!(metrics::ROOM_PUBLISH_DURATION),
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.every(SECOND, || StreamMsg::Own(Own::Second));
        self.open(ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: StreamMsg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg {
            StreamMsg::Join { join, reply } => self.join(join, reply, ctx).await,
            StreamMsg::Chat { chat, reply } => {
                self.chat(chat, reply, ctx);
                Ok(())
            }
            StreamMsg::Changed(row) => {
                self.changed(row, ctx);
                Ok(())
            }
            StreamMsg::OwnerSeen(at) => {
                self.room.iter_mut().for_each(|room| room.owner_seen(at));
                Ok(())
            }
            StreamMsg::Shard(report) => {
                self.report(report);
                Ok(())
            }
            StreamMsg::Own(own) => self.own(own, ctx).await,
        }
    }

    async fn stopping(&mut self, _: &mut Ctx<Self>) {
        self.store_finally().await;
    }

    fn snapshot(&self) -> Value {
        let Some(room) = &self.room else {
            return json!({ "open": false, "waiting": self.waiting.len() });
        };
        let totals = room.totals();
        json!({
            "open": true, "seq": room.seq(), "viewers": totals.viewers, "peak": totals.peak,
            "watching": room.members.watching(), "shards": self.shards.len(), "ended": room.has_ended(),
        })
    }
}

impl StreamActor {
    async fn own(&mut self, own: Own, ctx: &mut Ctx<Self>) -> Result<()> {
        match own {
            Own::Open => self.open(ctx),
            Own::Opened(outcome) => self.opened(outcome, ctx).await?,
            Own::Heard { events, from } => self.heard(&events, from, ctx)?,
            Own::Chatted { reply, outcome } => {
                self.chats = self.chats.saturating_sub(1);
                reply.send(outcome);
            }
            Own::Flush => {
                self.flush_armed = false;
                self.flush(ctx);
            }
            Own::Second => self.second(ctx)?,
            other => self.lived(other, ctx),
        }
        Ok(())
    }

    /// Reads the row and listens to the bus, at first and whenever the bus was lost.
    pub(super) fn open(&mut self, ctx: &mut Ctx<Self>) {
        if std::mem::replace(&mut self.opening, true) {
            return;
        }
        let (id, shared) = (self.args.id, Arc::clone(&self.args.shared));
        let deadline = shared.settings.call_deadline;
        let work = async move {
            timeout(deadline, subscribe(&shared, id))
                .await
                .unwrap_or_else(|_| Err(Error::unavailable("the room")))
        };
        ctx.run(work, |outcome| StreamMsg::Own(Own::Opened(outcome)));
    }

    async fn opened(
        &mut self,
        outcome: Result<Option<(LiveStream, RoomSubscription)>>,
        ctx: &mut Ctx<Self>,
    ) -> Result<()> {
        self.opening = false;
        let (row, subscription) = match outcome {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.life.finished = true;
                for (_, reply) in self.waiting.drain(..) {
                    reply.send(Err(Error::not_found("live stream")));
                }
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(stream = %self.args.id, %error, "room cannot be opened yet");
                self.waiting.retain(|(_, reply)| !reply.is_closed());
                ctx.after(self.pauses.next_pause(), StreamMsg::Own(Own::Open));
                return Ok(());
            }
        };
        self.pauses.reset();
        let RoomSubscription {
            ring, seq, events, ..
        } = subscription;
        if let Some(room) = &mut self.room {
            let due = room.caught_up(&ring, seq, Instant::now())?;
            self.flush_when(due, ctx);
        } else {
            let memory = &self.args.memory;
            let totals = memory.totals().unwrap_or_default();
            let before = Before {
                told: memory.told(),
                peak: totals.peak,
                unique: totals.unique,
                rev: memory.rev(),
            };
            let ring = Ring::restore(&ring, seq)?;
            let shared = &self.args.shared;
            let budget = shared.settings.deliveries_per_second;
            self.room = Some(Box::new(Room::new(
                row.clone(),
                ring,
                before,
                shared.booted_at,
                budget,
            )));
        }
        self.pump(events, ctx);
        self.changed(row, ctx);
        for (join, reply) in std::mem::take(&mut self.waiting) {
            self.join(join, reply, ctx).await?;
        }
        Ok(())
    }

    fn pump(&self, mut from: mpsc::Receiver<SequencedEvent>, ctx: &mut Ctx<Self>) {
        let work = async move {
            let mut events = Vec::new();
            let more = from.recv_many(&mut events, BATCH).await > 0;
            (events, more.then_some(from))
        };
        ctx.run(work, |(events, from)| StreamMsg::Own(Own::Heard { events, from }));
    }

    fn heard(
        &mut self,
        events: &[SequencedEvent],
        from: Option<mpsc::Receiver<SequencedEvent>>,
        ctx: &mut Ctx<Self>,
    ) -> Result<()> {
        if let Some(room) = &mut self.room {
            let due = room.heard(events, Instant::now())?;
            self.flush_when(due, ctx);
        }
        match from {
            Some(from) => self.pump(from, ctx),
            // After the end nothing more can come.
            None if self.room.as_ref().is_some_and(|room| room.has_ended()) => {}
            None => ctx.after(self.pauses.next_pause(), StreamMsg::Own(Own::Open)),
        }
        Ok(())
    }

    fn flush_when(&mut self, due: Option<Due>, ctx: &mut Ctx<Self>) {
        match due {
            Some(Due::Now) => self.flush(ctx),
            Some(Due::After(wait)) => self.arm_flush(wait, ctx),
            None => {}
        }
    }

    fn arm_flush(&mut self, wait: Duration, ctx: &mut Ctx<Self>) {
        if !std::mem::replace(&mut self.flush_armed, true) {
            ctx.after(wait, StreamMsg::Own(Own::Flush));
        }
    }

    /// Gives every shard what it lacks, and after the last event the end. A shard that takes nothing now
    /// keeps its place and gets everything later.
    pub(super) fn flush(&mut self, ctx: &mut Ctx<Self>) {
        let Some(room) = &mut self.room else { return };
        let deliveries = room.deliveries();
        let mut behind = false;
        for delivery in &deliveries {
            let Some(shard) = self.shards.get(delivery.shard) else {
                continue;
            };
            let msg = ShardMsg::Log {
                missed: delivery.missed,
                frames: Arc::clone(&delivery.frames),
            };
            match shard.tell(msg) {
                Ok(()) => room.delivered(delivery.shard, delivery.upto),
                Err(_) => behind = true,
            }
        }
        if !deliveries.is_empty() {
            room.flushed(Instant::now());
        }
        if room.has_ended() {
            let seq = room.seq();
            for (number, shard) in self.shards.iter().enumerate() {
                let Some(slot) = room.members.slot_mut(number) else {
                    continue;
                };
                if !slot.closed && slot.sent == seq {
                    slot.closed = shard.tell(ShardMsg::Close(CloseReason::Ended)).is_ok();
                }
                behind |= !slot.closed;
            }
        }
        if behind {
            self.arm_flush(AGAIN, ctx);
        }
    }

    fn chat(&mut self, chat: ChatRequest, reply: Reply<Result<Published>>, ctx: &mut Ctx<Self>) {
        let Some(room) = &self.room else {
            return reply.send(Err(Error::unavailable("the room")));
        };
        if room.has_ended() || !room.row().is_live() {
            return reply.send(Err(Error::new(Kind::StreamEnded, "the live stream has ended")));
        }
        if self.chats >= self.args.shared.settings.publishes_in_flight {
            return reply.send(Err(Error::new(
                Kind::Overloaded,
                "too many messages are being sent",
            )));
        }
        self.chats += 1;
        let ChatRequest { viewer, key, text } = chat;
        let dedup = key.map(|key| DedupKey { user: viewer.id, key });
        let event = RoomEvent::Chat(ChatLine {
            m: MessageId::new(),
            u: viewer.id,
            n: viewer.username,
            x: text,
        });
        let publish = self.publish(event, dedup);
        ctx.run(publish, |outcome| StreamMsg::Own(Own::Chatted { reply, outcome }));
    }

    /// Sequences an event; the deadline makes the outcome unknown, never the event wrong.
    pub(super) fn publish(
        &self,
        event: RoomEvent,
        dedup: Option<DedupKey>,
    ) -> impl Future<Output = Result<Published>> + Send + use<> {
        let (id, shared) = (self.args.id, Arc::clone(&self.args.shared));
        let epoch = self.room.as_ref().map(|room| room.row().epoch.clone());
        let took = self.publish_took.clone();
        async move {
            let Some(epoch) = epoch else {
                return Err(Error::unavailable("the room"));
            };
            let begun = Instant::now();
            let work = shared.ports.bus.publish(id, &epoch, event, dedup);
            let outcome = timeout(shared.settings.call_deadline, work)
                .await
                .unwrap_or_else(|_| Err(Error::unavailable("the room bus")));
            took.record(begun.elapsed());
            outcome
        }
    }

    fn report(&mut self, report: Report) {
        let Some(room) = &mut self.room else { return };
        match report {
            Report::Restarted { shard, generation } => room.members.restarted(shard, generation),
            Report::Swept {
                shard,
                generation,
                left,
                watching,
            } => room.members.report(shard, generation, &left, watching),
        }
        self.viewers.set(room.members.connected());
    }

    /// Gives every shard the latest figures; one that takes nothing now gets the next ones.
    pub(super) fn show_state(&mut self) -> Result<()> {
        let Some(room) = &mut self.room else { return Ok(()) };
        self.args.memory.set_totals(room.totals());
        if let Some(frame) = room.next_state()? {
            self.args.memory.set_rev(room.rev());
            for shard in &self.shards {
                let _ = shard.tell(ShardMsg::State(frame.clone()));
            }
        }
        Ok(())
    }
}

async fn subscribe(shared: &Shared, id: StreamId) -> Result<Option<(LiveStream, RoomSubscription)>> {
    let Some(row) = shared.ports.streams.load(id).await? else {
        return Ok(None);
    };
    let subscription = shared.ports.bus.subscribe(id, &row.epoch).await?;
    Ok(Some((row, subscription)))
}
