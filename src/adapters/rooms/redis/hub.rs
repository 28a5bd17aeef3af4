//! The rooms that this node listens to, over one connection for all of them.
//!
//! A channel only says what is new; the history is the truth. Whatever a room did not hear, because the
//! connection was lost or its reader was late, is read from there before the next event is told, so listeners
//! see neither a hole nor a repeat. Nobody here waits for a listener.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fred::interfaces::{ClientLike as _, PubsubInterface as _};
use fred::types::Message;
use nova_actors::domain::room::RoomId;
use nova_actors::ports::Clock;
use nova_actors::ports::rooms::RoomSubscription;
use nova_actors::{Error, Result};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::limits::{RedisRoomLimits, millis};
use super::line::Line;
use super::room::{Joined, Room, Then, Wire};
use super::scripts::Scripts;
use super::{history, keys};
use crate::adapters::redis::{Connection, failure};

/// Channels of one command.
const CHANNELS: usize = 256;
/// Histories read at the same time to catch up.
const READS: usize = 32;

/// See the module.
pub(super) struct Hub {
    pub(super) commands: Connection,
    pub(super) channels: Connection,
    pub(super) scripts: Scripts,
    pub(super) limits: RedisRoomLimits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
    rooms: Mutex<HashMap<RoomId, Room>>,
    /// Held while channels are subscribed to and left, so that the two do not overtake each other.
    turn: tokio::sync::Mutex<()>,
    rewire: AtomicBool,
    nudge: Notify,
    reads: Semaphore,
}

impl Hub {
    pub(super) fn new(
        commands: Connection,
        channels: Connection,
        clock: Arc<dyn Clock>,
        limits: RedisRoomLimits,
    ) -> Self {
        Self {
            commands,
            channels,
            scripts: Scripts::new(),
            limits,
            clock,
            tasks: TaskTracker::new(),
            rooms: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            rewire: AtomicBool::new(false),
            nudge: Notify::new(),
            reads: Semaphore::new(READS),
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Channels that this node listens to.
    pub(super) fn listening(&self) -> usize {
        self.rooms()
            .values()
            .filter(|room| room.wire != Wire::Off)
            .count()
    }

    /// The highest number of an epoch that this node knows; a Redis that lost it must not give it again.
    pub(super) fn known(&self, room: RoomId, epoch: &str) -> u64 {
        let rooms = self.rooms();
        let known = rooms.get(&room).filter(|room| room.is(epoch));
        known.map_or(0, Room::told)
    }

    /// The arguments that every script takes which changes a room.
    pub(super) fn script_args(&self, room: RoomId, epoch: &str) -> Vec<fred::types::Value> {
        vec![
            keys::channel(room).into(),
            epoch.to_owned().into(),
            self.known(room, epoch).to_string().into(),
            millis(self.limits.keep_silent).into(),
        ]
    }

    /// See `RoomBus::subscribe`: first the channel, then the history, then what came in between.
    pub(super) async fn subscribe(self: &Arc<Self>, room: RoomId, epoch: &str) -> Result<RoomSubscription> {
        let args = self.script_args(room, epoch);
        let begin = &self.scripts.begin;
        let newest: String = begin.run(&self.commands, keys::sequence(room), args).await?;
        let newest: u64 = newest
            .parse()
            .map_err(|e| Error::internal("a room's number in redis cannot be read").with_source(e))?;
        let mut joined = self.join(room, epoch, newest).await?;
        let mut ring = history::ring(&self.commands, room, &self.limits, self.clock.now()).await?;
        let mut rooms = self.rooms();
        let listening = rooms.get_mut(&room).filter(|room| room.is(epoch));
        let listening = listening.ok_or_else(|| Error::unavailable("the room's last broadcast"))?;
        let (seq, then) = listening.admit(&mut joined, &mut ring, newest);
        self.follow_up(room, listening, then);
        Ok(RoomSubscription {
            epoch: epoch.to_owned(),
            ring,
            seq,
            events: joined.events,
        })
    }

    async fn join(&self, id: RoomId, epoch: &str, newest: u64) -> Result<Joined> {
        let _turn = self.turn.lock().await;
        let now = Instant::now();
        let bounds = (self.limits.subscribers, self.limits.outbox);
        let joined = {
            let mut rooms = self.rooms();
            let room = rooms.entry(id).or_insert_with(|| Room::new(epoch, newest, now));
            let joined = room.join(epoch, newest, bounds, now)?;
            if room.wire == Wire::On {
                return Ok(joined);
            }
            room.wire = Wire::Unsure;
            joined
        };
        let client = self.channels.ready().await?;
        client.subscribe(keys::channel(id)).await.map_err(failure)?;
        self.wire(&[id], Wire::On);
        Ok(joined)
    }

    fn wire(&self, ids: &[RoomId], wire: Wire) {
        let mut rooms = self.rooms();
        for id in ids {
            if let Some(room) = rooms.get_mut(id) {
                room.wire = wire;
            }
        }
    }

    /// A message of some channel.
    pub(super) fn hear(self: &Arc<Self>, message: &Message) {
        let Some(id) = keys::room_of(&message.channel) else {
            return;
        };
        let text = message.value.as_str();
        let line = text.as_deref().map_or_else(
            || Err(Error::internal("a message in redis is no text")),
            Line::read,
        );
        let mut rooms = self.rooms();
        let Some(room) = rooms.get_mut(&id) else { return };
        let then = match line {
            Ok(line) => room.hear(&line),
            Err(error) => {
                tracing::warn!(room = %id, %error, "message on a room's channel ignored");
                Then::Done
            }
        };
        self.follow_up(id, room, then);
    }

    fn follow_up(self: &Arc<Self>, id: RoomId, room: &mut Room, then: Then) {
        if then == Then::CatchUp {
            room.behind = true;
        }
        if room.behind && !std::mem::replace(&mut room.reading, true) {
            let hub = Arc::clone(self);
            self.tasks.spawn(async move { hub.catch_up(id).await });
        }
    }

    /// Reads what a room did not hear. What cannot be read now is tried again by the keeper.
    async fn catch_up(&self, id: RoomId) {
        let Ok(_permit) = self.reads.acquire().await else {
            return;
        };
        loop {
            let told = {
                let mut rooms = self.rooms();
                let Some(room) = rooms.get_mut(&id) else { return };
                room.behind = false;
                room.reading = room.has_listeners();
                if !room.reading {
                    return;
                }
                room.told()
            };
            let read = history::after(&self.commands, id, told).await;
            let mut rooms = self.rooms();
            let Some(room) = rooms.get_mut(&id) else { return };
            match read {
                Ok((epoch, events)) => {
                    room.catch_up(epoch.as_deref(), &events);
                    room.behind |= events.len() as u64 == history::CHUNK;
                    room.reading = room.behind;
                }
                Err(error) => {
                    tracing::debug!(room = %id, %error, "room cannot catch up yet");
                    room.behind = true;
                    room.reading = false;
                }
            }
            if !room.reading {
                return;
            }
        }
    }

    /// The connection came back: nothing is listened to any more.
    pub(super) fn reconnected(&self) {
        self.rewire.store(true, Ordering::Release);
        self.nudge.notify_one();
    }

    /// Messages were lost; nobody knows of which rooms.
    pub(super) fn lagged(self: &Arc<Self>) {
        for (id, room) in self.rooms().iter_mut() {
            if room.has_listeners() {
                self.follow_up(*id, room, Then::CatchUp);
            }
        }
    }

    /// Something for the keeper to do at once.
    pub(super) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    /// One round of the keeper.
    pub(super) async fn keep(self: &Arc<Self>) {
        if self.rewire.swap(false, Ordering::AcqRel)
            && let Err(error) = self.listen_again().await
        {
            tracing::debug!(%error, "rooms cannot be listened to yet");
            self.rewire.store(true, Ordering::Release);
        }
        if let Err(error) = self.leave().await {
            tracing::debug!(%error, "rooms without listeners cannot be left yet");
        }
        if self.commands.is_connected() {
            for (id, room) in self.rooms().iter_mut().filter(|(_, room)| room.behind) {
                self.follow_up(*id, room, Then::Done);
            }
        }
        // A connection that only listens would not notice that its other end is gone.
        if let Ok(client) = self.channels.ready().await {
            let _ = client.ping::<()>(None).await;
        }
    }

    async fn listen_again(self: &Arc<Self>) -> Result<()> {
        let _turn = self.turn.lock().await;
        let mut ids = Vec::new();
        for (id, room) in self.rooms().iter_mut() {
            if room.has_listeners() {
                room.wire = Wire::Unsure;
                ids.push(*id);
            } else {
                room.wire = Wire::Off;
            }
        }
        let client = self.channels.ready().await?;
        for ids in ids.chunks(CHANNELS) {
            let channels: Vec<_> = ids.iter().map(|id| keys::channel(*id)).collect();
            client.subscribe(channels).await.map_err(failure)?;
            self.wire(ids, Wire::On);
            let mut rooms = self.rooms();
            for id in ids {
                if let Some(room) = rooms.get_mut(id) {
                    self.follow_up(*id, room, Then::CatchUp);
                }
            }
        }
        Ok(())
    }

    /// Stops listening to rooms that nobody here listens to, and forgets them after a while.
    async fn leave(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let mut quiet = Vec::new();
        let now = Instant::now();
        self.rooms().retain(|id, room| {
            if room.wire != Wire::Off && !room.has_listeners() {
                room.wire = Wire::Unsure;
                quiet.push(*id);
            }
            room.wire != Wire::Off || !room.is_idle(self.limits.idle, now)
        });
        if quiet.is_empty() {
            return Ok(());
        }
        let client = self.channels.ready().await?;
        for ids in quiet.chunks(CHANNELS) {
            let channels: Vec<_> = ids.iter().map(|id| keys::channel(*id)).collect();
            client.unsubscribe(channels).await.map_err(failure)?;
            self.wire(ids, Wire::Off);
        }
        Ok(())
    }

    /// Ends every subscription.
    pub(super) fn close(&self) {
        self.rooms().clear();
    }
}
