//! Letting viewers in: which shard, what they missed, and from where they go on live.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::actor::StreamActor;
use super::state::Who;
use crate::error::{Error, Kind, Result};
use crate::runtime::{ChildSpec, Ctx, Reply};
use crate::streams::outbox::CloseReason;
use crate::streams::shard::{self, Shard, ShardArgs, ShardMsg};
use crate::streams::viewers::{JoinRequest, Joined};

/// Joins that may wait for the room to open.
const MOST_WAITING: usize = 4_096;

impl StreamActor {
    pub(super) async fn join(
        &mut self,
        join: JoinRequest,
        reply: Reply<Result<Joined>>,
        ctx: &mut Ctx<Self>,
    ) -> Result<()> {
        if reply.is_closed() {
            return Ok(());
        }
        let Some(room) = &self.room else {
            if self.waiting.len() < MOST_WAITING {
                self.waiting.push((join, reply));
            } else {
                reply.send(Err(Error::new(Kind::Overloaded, "too many viewers are joining")));
            }
            return Ok(());
        };
        if room.has_ended() || (!room.row().is_live() && join.resume.is_none()) {
            reply.send(self.last_words(&join));
            return Ok(());
        }
        let shard = match room.members.place() {
            Some(shard) => shard,
            None => self.add_shard(ctx).await?,
        };
        if self
            .room
            .as_ref()
            .is_some_and(|room| room.should_catch_up(shard, join.resume.as_ref()))
        {
            self.flush(ctx);
        }
        reply.send(self.admit(shard, join));
        Ok(())
    }

    /// A viewer who comes back after the end still gets the events up to it; anyone else is told that it is
    /// over.
    fn last_words(&self, join: &JoinRequest) -> Result<Joined> {
        let ended = || Error::new(Kind::StreamEnded, "the live stream has ended");
        let room = self.room.as_ref().ok_or_else(ended)?;
        let resume = room.last_words(join.resume.as_ref()).ok_or_else(ended)?;
        join.outbox.close(CloseReason::Ended);
        Ok(Joined {
            epoch: room.row().epoch.clone(),
            seq: room.seq(),
            resume: resume.kind,
            missed: resume.missed,
            replay: resume.replay,
            room: room.view(),
        })
    }

    async fn add_shard(&mut self, ctx: &mut Ctx<Self>) -> Result<usize> {
        let number = self.shards.len();
        let args = ShardArgs {
            number,
            room: ctx.me().clone(),
            watching_for: self.args.shared.settings.watching_for,
            starts: Arc::new(AtomicU64::new(0)),
        };
        let spec = ChildSpec::transient(format!("shard/{}/{number}", self.args.id))
            .capacity(shard::CAPACITY)
            .intensity(10, Duration::from_secs(60));
        self.shards.push(ctx.spawn_child::<Shard>(spec, args).await?);
        if let Some(room) = &mut self.room {
            let seq = room.seq();
            room.members.add_shard(seq);
        }
        Ok(number)
    }

    fn admit(&mut self, shard: usize, join: JoinRequest) -> Result<Joined> {
        let busy = || Error::new(Kind::Overloaded, "the room has too much to do");
        let room = self.room.as_mut().ok_or_else(busy)?;
        if room.is_ahead(shard, join.resume.as_ref()) {
            return Err(busy());
        }
        let admission = room.admit(shard, join.resume.as_ref()).ok_or_else(busy)?;
        let generation = room.members.slots().get(shard).ok_or_else(busy)?.generation;
        let viewer = room.members.next_id();
        let msg = ShardMsg::Add {
            generation,
            viewer,
            outbox: join.outbox,
        };
        self.shards.get(shard).ok_or_else(busy)?.tell(msg)?;
        let who = match join.viewer {
            Some(user) => Who::User(user.id),
            None => Who::Anonymous(join.sid),
        };
        room.joined(shard, viewer, &who, self.args.shared.ports.clock.now());
        self.viewers.set(room.members.connected());
        self.args.memory.set_totals(room.totals());
        Ok(Joined {
            epoch: room.row().epoch.clone(),
            seq: admission.live_from,
            resume: admission.resume.kind,
            missed: admission.resume.missed,
            replay: admission.resume.replay,
            room: room.view(),
        })
    }
}
