//! One room on one node, without a runtime: what happened comes in, what is to be sent goes out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::members::{Members, ViewerId};
use super::ring::{Resume, Ring};
use super::tick::{Due, Tick};
use super::unique::Unique;
use crate::domain::room::{RoomEvent, RoomInfo, SequencedEvent};
use crate::domain::{LiveStream, Timestamp, UserId, ViewerTotals};
use crate::error::Result;
use crate::streams::frame::{self, Frame, LogFrame, Missed, RoomMode, RoomView, StateBody};

/// Events on their way to one shard.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Which shard.
    pub(super) shard: usize,
    /// Newest event that the shard has afterwards.
    pub(super) upto: u64,
    /// Events that cannot be given any more.
    pub(super) missed: Option<Missed>,
    /// The events, encoded once for all shards.
    pub(super) frames: Arc<[LogFrame]>,
}

/// Answer to a join, as far as the room decides it.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) live_from: u64,
    pub(super) resume: Resume,
}

/// Who a viewer is, as far as different people are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Who {
    User(UserId),
    Anonymous(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    row: LiveStream,
    ring: Ring,
    tick: Tick,
    pub(super) members: Members,
    unique: Unique,
    rev: u64,
    shown: Option<(u64, u64, u64)>,
    elsewhere: u64,
    peak: u64,
    stored: ViewerTotals,
    stored_owner: Timestamp,
    owner_seen: Timestamp,
    told: RoomInfo,
}

impl Room {
    /// A room as the store, the bus and the incarnation before (`before`) left it. The owner could
    /// not show life before `booted`, so that counts as the first sign.
    pub(super) fn new(
        row: LiveStream,
        ring: Ring,
        before: Before,
        booted: Timestamp,
        per_second: u32,
    ) -> Self {
        Self {
            ring,
            tick: Tick::new(per_second),
            members: Members::default(),
            unique: Unique::new(row.unique_viewers.max(before.unique)),
            rev: before.rev,
            shown: None,
            elsewhere: 0,
            peak: row.peak_viewers.max(before.peak),
            stored: totals_of(&row),
            stored_owner: row.owner_seen_at,
            owner_seen: row.owner_seen_at.max(booted),
            told: before.told.unwrap_or_else(|| info_of(&row)),
            row,
        }
    }

    pub(super) const fn row(&self) -> &LiveStream {
        &self.row
    }

    pub(super) const fn seq(&self) -> u64 {
        self.ring.seq()
    }

    /// Whether the broadcast is over for its viewers: its end is among the events.
    pub(super) fn has_ended(&self) -> bool {
        self.ring.has_end()
    }

    /// Takes events that the bus sequenced; answers when they may go out, `None` when all were known.
    pub(super) fn heard(&mut self, events: &[SequencedEvent], now: Instant) -> Result<Option<Due>> {
        let mut any = false;
        for event in events {
            if self.ring.push(event)? {
                any = true;
                self.informed(event);
            }
        }
        if !any {
            return Ok(None);
        }
        Ok(Some(if self.has_ended() {
            Due::Now
        } else {
            self.tick.due(now)
        }))
    }

    /// Viewers are told by one node for all: what another told them need not be told again. This node's row is
    /// brought up to it, unless it is newer.
    fn informed(&mut self, event: &SequencedEvent) {
        if let RoomEvent::Info(info) = &event.event {
            if self.untold().is_none() {
                self.row.title.clone_from(&info.title);
                self.row.category.clone_from(&info.category);
            }
            self.told = info.clone();
        }
    }

    /// Takes what the bus remembers after it was lost for a while; answers as [`Room::heard`].
    pub(super) fn caught_up(
        &mut self,
        ring: &[SequencedEvent],
        seq: u64,
        now: Instant,
    ) -> Result<Option<Due>> {
        let due = self.heard(ring, now)?;
        self.ring.skip_to(seq);
        Ok(due)
    }

    /// Whether this node has no viewer.
    pub(super) fn is_empty(&self) -> bool {
        self.members.connected() == 0
    }

    /// What each shard still has to get. Shards at the same point share one encoding.
    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        let upto = self.seq();
        let mut encoded: Vec<(u64, Option<Missed>, Arc<[LogFrame]>)> = Vec::new();
        let mut all = Vec::new();
        for (shard, slot) in self.members.slots().iter().enumerate() {
            if slot.sent >= upto {
                continue;
            }
            let known = encoded.iter().position(|(sent, ..)| *sent == slot.sent);
            let at = known.unwrap_or_else(|| {
                let (missed, frames) = self.ring.since(slot.sent);
                encoded.push((slot.sent, missed, frames.into()));
                encoded.len() - 1
            });
            if let Some((_, missed, frames)) = encoded.get(at) {
                all.push(Delivery {
                    shard,
                    upto,
                    missed: *missed,
                    frames: Arc::clone(frames),
                });
            }
        }
        all
    }

    /// A shard has everything up to `upto`.
    pub(super) fn delivered(&mut self, shard: usize, upto: u64) {
        if let Some(slot) = self.members.slot_mut(shard) {
            slot.sent = upto;
        }
    }

    /// Something went out.
    pub(super) fn flushed(&mut self, now: Instant) {
        self.tick.flushed(now, self.members.connected());
    }

    /// What a viewer of `shard` gets who has seen up to `seen`. The shard's later events follow live.
    pub(super) fn admit(&self, shard: usize, resume: Option<&(String, u64)>) -> Option<Admission> {
        let live_from = self.members.slots().get(shard)?.sent;
        let seen = resume
            .filter(|(epoch, _)| *epoch == self.row.epoch)
            .map(|(_, seq)| *seq);
        Some(Admission {
            live_from,
            resume: self.ring.resume(seen, live_from),
        })
    }

    /// What a viewer still lacks who comes back to a broadcast that is over; `None` for one who does not
    /// come back, or has seen the end.
    pub(super) fn last_words(&self, resume: Option<&(String, u64)>) -> Option<Resume> {
        let (epoch, seen) = resume?;
        (*epoch == self.row.epoch && self.has_ended() && *seen < self.seq())
            .then(|| self.ring.resume(Some(*seen), self.seq()))
    }

    /// Whether a newcomer should find the shard up to date: in a small room always, so that nothing that was
    /// acknowledged before is still to come; in a large one only when the viewer knows more than the shard.
    pub(super) fn should_catch_up(&self, shard: usize, resume: Option<&(String, u64)>) -> bool {
        let sent = self.members.slots().get(shard).map_or(0, |slot| slot.sent);
        sent < self.seq() && (self.tick.is_cheap(self.members.connected()) || self.is_ahead(shard, resume))
    }

    /// Whether a viewer who resumes knows more than the shard.
    pub(super) fn is_ahead(&self, shard: usize, resume: Option<&(String, u64)>) -> bool {
        let sent = self.members.slots().get(shard).map_or(0, |slot| slot.sent);
        resume.is_some_and(|(epoch, seq)| *epoch == self.row.epoch && *seq > sent && *seq <= self.seq())
    }

    /// A viewer came in.
    pub(super) fn joined(&mut self, shard: usize, viewer: ViewerId, who: &Who, now: Timestamp) {
        let owner = *who == Who::User(self.row.creator_id);
        self.members.joined(shard, viewer, owner);
        self.unique.add(who);
        if owner {
            self.owner_seen = self.owner_seen.max(now);
        }
        self.peak = self.peak.max(self.viewers());
    }

    /// Viewers over all nodes.
    pub(super) const fn viewers(&self) -> u64 {
        self.members.connected() + self.elsewhere
    }

    /// How many viewers other nodes have.
    pub(super) fn elsewhere(&mut self, viewers: u64) {
        self.elsewhere = viewers;
        self.peak = self.peak.max(self.viewers());
    }

    /// Figures as they are stored.
    pub(super) fn totals(&self) -> ViewerTotals {
        ViewerTotals {
            viewers: self.viewers(),
            peak: self.peak,
            unique: self.unique.count(),
        }
    }

    /// Number of the newest state frame.
    pub(super) const fn rev(&self) -> u64 {
        self.rev
    }

    /// The next state frame, when something changed since the last.
    pub(super) fn next_state(&mut self) -> Result<Option<Frame>> {
        let figures = (self.viewers(), self.members.watching(), self.unique.count());
        if self.shown == Some(figures) {
            return Ok(None);
        }
        self.shown = Some(figures);
        self.rev += 1;
        let (viewers, watching, unique) = figures;
        let body = StateBody {
            rev: self.rev,
            viewers,
            watching,
            unique,
            rx: std::collections::BTreeMap::new(),
        };
        frame::state(&body).map(Some)
    }

    /// The room as a newcomer is told.
    pub(super) fn view(&self) -> RoomView {
        RoomView {
            state: if self.has_ended() { "ended" } else { "live" },
            title: self.row.title.clone(),
            category: self.row.category.clone(),
            viewers: self.viewers(),
            mode: RoomMode::OPEN,
        }
    }

    /// A newer row. An older one, late in the mail, changes nothing that matters: the row is compared again
    /// before long.
    pub(super) fn changed(&mut self, row: LiveStream) {
        self.owner_seen = self.owner_seen.max(row.owner_seen_at);
        // The end is final, whatever arrives late.
        if self.row.is_live() || !row.is_live() {
            self.row = row;
        }
    }

    /// The owner showed life.
    pub(super) fn owner_seen(&mut self, at: Timestamp) {
        self.owner_seen = self.owner_seen.max(at);
    }

    /// Whether the owner has shown no life for `limit` (zero: never).
    pub(super) fn is_abandoned(&mut self, limit: Duration, now: Timestamp) -> bool {
        if self.members.owner_here() {
            self.owner_seen = self.owner_seen.max(now);
        }
        !limit.is_zero() && self.row.is_live() && now.since(self.owner_seen) >= limit
    }

    /// Title and category that viewers have not been told yet.
    pub(super) fn untold(&self) -> Option<RoomInfo> {
        let info = info_of(&self.row);
        (info != self.told).then_some(info)
    }

    /// Viewers were told.
    pub(super) fn told(&mut self, info: RoomInfo) {
        self.told = info;
    }

    /// Figures, and the owner's sign of life when it is `fresh` enough to matter, that the store lacks.
    pub(super) fn unstored(&self, fresh: Duration) -> Option<(ViewerTotals, Option<Timestamp>)> {
        let owner = (self.members.owner_here() && self.owner_seen.since(self.stored_owner) >= fresh)
            .then_some(self.owner_seen);
        let totals = self.totals();
        (totals != self.stored || owner.is_some()).then_some((totals, owner))
    }

    /// The store has these.
    pub(super) fn stored(&mut self, totals: ViewerTotals, owner: Option<Timestamp>) {
        self.stored = totals;
        self.stored_owner = owner.unwrap_or(self.stored_owner);
    }
}

/// What an earlier incarnation of the room's actor in this process knew and no port keeps.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    pub(super) told: Option<RoomInfo>,
    pub(super) peak: u64,
    pub(super) unique: u64,
    pub(super) rev: u64,
}

pub(super) fn info_of(row: &LiveStream) -> RoomInfo {
    RoomInfo {
        title: row.title.clone(),
        category: row.category.clone(),
    }
}

const fn totals_of(row: &LiveStream) -> ViewerTotals {
    ViewerTotals {
        viewers: row.viewers,
        peak: row.peak_viewers,
        unique: row.unique_viewers,
    }
}

#[cfg(test)]
mod tests;
