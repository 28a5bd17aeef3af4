//! One room in memory: its sequence, the publishes that wait, and who listens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nova_actors::domain::Timestamp;
use nova_actors::domain::room::{RoomEvent, RoomId, SequencedEvent};
use nova_actors::ports::rooms::{DedupKey, JournalEntry, Published, RoomSubscription};
use nova_actors::{Error, Kind, Result};
use tokio::sync::{mpsc, oneshot};

use super::RoomLimits;
use super::sequence::{Batch, Sequence, Verdict};

/// Events per journal append.
pub(super) const BATCH: usize = 1_024;

type Reply = oneshot::Sender<Result<Published>>;

/// A publish that waits for its turn.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) epoch: String,
    pub(super) event: RoomEvent,
    pub(super) dedup: Option<DedupKey>,
    pub(super) reply: Reply,
}

/// Publishes on their way to the journal, each with everyone who waits for it.
#[derive(Debug)]
pub(super) struct InFlight {
    batch: Batch,
    waiters: Vec<Vec<Reply>>,
}

impl InFlight {
    pub(super) fn entries(&self, room: RoomId) -> Vec<JournalEntry> {
        self.batch
            .events()
            .map(|(event, dedup)| JournalEntry {
                room,
                epoch: self.batch.epoch().to_owned(),
                event: (**event).clone(),
                dedup: dedup.clone(),
            })
            .collect()
    }

    fn answer(self) {
        for ((event, _), waiters) in self.batch.events().zip(self.waiters) {
            for (index, reply) in waiters.into_iter().enumerate() {
                send(reply, Ok(published(event, index > 0)));
            }
        }
    }

    /// Tells everyone that nothing was kept.
    pub(super) fn fail(self, error: &Error) {
        for reply in self.waiters.into_iter().flatten() {
            send(reply, Err(error.clone()));
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    sequence: Sequence,
    waiting: VecDeque<Pending>,
    /// A task works on `waiting`.
    flushing: bool,
    /// The last append was not confirmed: the journal must be asked before the next number is given.
    in_doubt: bool,
    subscribers: Vec<mpsc::Sender<SequencedEvent>>,
    used_at: Timestamp,
}

impl Room {
    /// A room as its journal has it.
    pub(super) fn restore(limits: &RoomLimits, tail: Vec<JournalEntry>, now: Timestamp) -> Self {
        let mut sequence = Sequence::new(*limits);
        sequence.catch_up(tail, now);
        Self {
            sequence,
            waiting: VecDeque::new(),
            flushing: false,
            in_doubt: false,
            subscribers: Vec::new(),
            used_at: now,
        }
    }

    /// Queues a publish; answers whether a flush must be started for it.
    pub(super) fn enqueue(&mut self, pending: Pending, limits: &RoomLimits, now: Timestamp) -> Result<bool> {
        if self.waiting.len() >= limits.waiting {
            return Err(Error::new(Kind::Overloaded, "too many events wait in this room"));
        }
        self.used_at = now;
        self.waiting.push_back(pending);
        Ok(!std::mem::replace(&mut self.flushing, true))
    }

    /// Whether the journal must be asked first.
    pub(super) const fn in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Takes the next publishes out of the queue; answers at once what needs no journal. `None`: nothing waits,
    /// and the flush is over.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<InFlight> {
        let mut flight = InFlight {
            batch: self.sequence.batch(),
            waiters: Vec::new(),
        };
        while flight.batch.len() < BATCH && !flight.batch.ends() {
            let Some(pending) = self.waiting.pop_front() else {
                break;
            };
            if !self.sequence.is(&pending.epoch) {
                if flight.batch.len() > 0 {
                    self.waiting.push_front(pending);
                    break;
                }
                self.begin(&pending.epoch);
                flight.batch = self.sequence.batch();
            }
            let Pending {
                event, dedup, reply, ..
            } = pending;
            match self.sequence.admit(&mut flight.batch, event, dedup, now) {
                Verdict::Fresh => flight.waiters.push(vec![reply]),
                Verdict::InBatch(index) => match flight.waiters.get_mut(index) {
                    Some(waiters) => waiters.push(reply),
                    None => send(reply, Err(Error::internal("a batch lost an event"))),
                },
                Verdict::Repeated(first) => send(reply, Ok(published(&first, true))),
                Verdict::Ended => send(
                    reply,
                    Err(Error::new(Kind::StreamEnded, "the live stream has ended")),
                ),
            }
        }
        self.in_doubt = flight.batch.len() > 0;
        self.flushing = self.in_doubt;
        self.flushing.then_some(flight)
    }

    /// The journal has the events: remembers them, hands them on, then answers.
    pub(super) fn keep(&mut self, flight: InFlight, now: Timestamp) {
        self.in_doubt = false;
        if self.sequence.keep(&flight.batch, now) {
            for (event, _) in flight.batch.events() {
                self.hand_out(event);
            }
        }
        flight.answer();
    }

    /// After an append of which nobody knows whether it was kept: takes over what the journal has.
    pub(super) fn resolve(&mut self, tail: Vec<JournalEntry>, now: Timestamp) {
        self.in_doubt = false;
        for event in self.sequence.catch_up(tail, now) {
            self.hand_out(&event);
        }
    }

    /// Ends a flush that cannot go on; everyone who waits is told why.
    pub(super) fn give_up(&mut self, error: &Error) {
        self.flushing = false;
        for pending in self.waiting.drain(..) {
            send(pending.reply, Err(error.clone()));
        }
    }

    /// Adds a listener.
    pub(super) fn subscribe(
        &mut self,
        epoch: &str,
        limits: &RoomLimits,
        now: Timestamp,
    ) -> Result<RoomSubscription> {
        self.used_at = now;
        if !self.sequence.is(epoch) {
            self.begin(epoch);
        }
        self.subscribers.retain(|listener| !listener.is_closed());
        if self.subscribers.len() >= limits.subscribers {
            return Err(Error::new(Kind::Overloaded, "too many listeners in this room"));
        }
        let (sender, events) = mpsc::channel(limits.outbox);
        self.subscribers.push(sender);
        Ok(RoomSubscription {
            epoch: epoch.to_owned(),
            ring: self.sequence.ring(),
            seq: self.sequence.seq(),
            events,
        })
    }

    /// Forgets what is old; answers whether nobody has used the room for `idle`.
    pub(super) fn rest(&mut self, idle: Duration, now: Timestamp) -> bool {
        self.sequence.trim(now);
        self.subscribers.retain(|listener| !listener.is_closed());
        self.subscribers.is_empty()
            && self.waiting.is_empty()
            && !self.flushing
            && now.since(self.used_at) >= idle
    }

    /// Another broadcast: those who listen to the last one must subscribe again.
    fn begin(&mut self, epoch: &str) {
        self.sequence.begin(epoch);
        self.subscribers.clear();
    }

    /// Never waits: a listener whose outbox is full is dropped, and sees its channel close.
    fn hand_out(&mut self, event: &Arc<SequencedEvent>) {
        self.subscribers
            .retain(|listener| listener.try_send((**event).clone()).is_ok());
    }
}

fn published(event: &Arc<SequencedEvent>, repeated: bool) -> Published {
    Published {
        event: (**event).clone(),
        repeated,
    }
}

/// A caller that went away in the meantime is normal.
fn send(reply: Reply, outcome: Result<Published>) {
    let _ = reply.send(outcome);
}
