//! The room bus of several nodes: rooms live in a Redis that all of them share.
//!
//! A publish is one script: it looks up the client's key, takes the next number, appends the event to the room's
//! history and announces it on the room's channel; Redis runs scripts one after the other, so all nodes see one
//! order. What an acknowledgement is worth depends on how that Redis writes to its disk: with `appendonly yes`
//! and `appendfsync always` acknowledged events survive its death, and `maxmemory-policy noeviction` keeps it
//! from forgetting rooms; see [`RedisFacts`].

mod history;
mod hub;
mod keys;
mod limits;
mod line;
mod room;
mod scripts;
mod viewers;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::interfaces::EventInterface as _;
use fred::types::{Message, Value};
use nova_actors::domain::room::{ChatPage, RoomEvent, RoomId};
use nova_actors::ports::Clock;
use nova_actors::ports::rooms::{DedupKey, Published, RoomBus, RoomSubscription};
use nova_actors::{Error, Kind, Result};
use tokio::sync::{Semaphore, broadcast};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::hub::Hub;
pub use self::limits::RedisRoomLimits;
use self::limits::millis;
use self::line::Line;
use self::viewers::Viewers;
use crate::adapters::redis::{Connection, RedisFacts, RedisOptions, failure};

/// Longest wait for the counts to be taken back at the end.
const LEAVE: Duration = Duration::from_secs(1);

/// See the module. Dropping it without closing it leaves this node's counts to expire.
pub struct RedisRoomBus {
    hub: Arc<Hub>,
    viewers: Arc<Viewers>,
    publishes: Semaphore,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl fmt::Debug for RedisRoomBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRoomBus")
            .field("listening", &self.hub.listening())
            .finish_non_exhaustive()
    }
}

impl RedisRoomBus {
    /// Begins to connect; must be called on a runtime. Works, by failing quickly, while Redis is away. `node`
    /// names this process among those that share the Redis; no two may have the same name.
    ///
    /// # Errors
    /// `Validation` for a URL that cannot be understood.
    pub fn connect(options: &RedisOptions, node: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_limits(options, node, clock, RedisRoomLimits::default())
    }

    /// A bus with other bounds.
    ///
    /// # Errors
    /// See [`RedisRoomBus::connect`].
    pub fn with_limits(
        options: &RedisOptions,
        node: &str,
        clock: Arc<dyn Clock>,
        limits: RedisRoomLimits,
    ) -> Result<Self> {
        let channels = Connection::open(options)?;
        let messages = channels.client().message_rx();
        let reconnects = channels.client().reconnect_rx();
        let hub = Arc::new(Hub::new(Connection::open(options)?, channels, clock, limits));
        let viewers = Arc::new(Viewers::new(node));
        let stop = CancellationToken::new();
        let (ends, listener) = (stop.clone(), Arc::clone(&hub));
        hub.tasks.spawn(ends.run_until_cancelled_owned(async move {
            tokio::join!(hear(&listener, messages), notice(&listener, reconnects));
        }));
        let keeper = keep(Arc::clone(&hub));
        hub.tasks.spawn(stop.clone().run_until_cancelled_owned(keeper));
        let refresher = refresh(Arc::clone(&hub), Arc::clone(&viewers));
        hub.tasks.spawn(stop.clone().run_until_cancelled_owned(refresher));
        Ok(Self {
            hub,
            viewers,
            publishes: Semaphore::new(limits.publishes),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        })
    }

    /// How many rooms this node listens to.
    #[must_use]
    pub fn rooms_listened_to(&self) -> usize {
        self.hub.listening()
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn inspect(&self) -> Result<RedisFacts> {
        self.hub.commands.inspect().await
    }

    /// Ends all subscriptions, takes this node's counts back and says goodbye to the server.
    pub async fn close(&self) {
        self.stop.cancel();
        self.hub.tasks.close();
        self.hub.tasks.wait().await;
        self.hub.close();
        if !matches!(timeout(LEAVE, self.viewers.leave(&self.hub)).await, Ok(Ok(()))) {
            tracing::debug!("viewer counts of this node are left to expire");
        }
        tokio::join!(self.hub.commands.close(), self.hub.channels.close());
    }

    fn publish_args(
        &self,
        room: RoomId,
        epoch: &str,
        event: &RoomEvent,
        dedup: Option<DedupKey>,
    ) -> Result<Vec<Value>> {
        let limits = &self.hub.limits;
        let json = serde_json::to_string(event)
            .map_err(|e| Error::internal("a room event cannot be encoded").with_source(e))?;
        let key = dedup.map_or_else(String::new, |key| format!("{}:{}", key.user, key.key));
        let mut args = self.hub.script_args(room, epoch);
        args.extend::<[Value; 8]>([
            self.hub.clock.now().millis().into(),
            json.into(),
            key.into(),
            i64::from(event.is_end()).into(),
            millis(limits.dedup_age).into(),
            i64::from(limits.dedup_cap).into(),
            i64::from(limits.history).into(),
            millis(limits.keep_ended).into(),
        ]);
        Ok(args)
    }
}

#[async_trait]
impl RoomBus for RedisRoomBus {
    async fn publish(
        &self,
        room: RoomId,
        epoch: &str,
        event: RoomEvent,
        dedup: Option<DedupKey>,
    ) -> Result<Published> {
        let _permit = self
            .publishes
            .try_acquire()
            .map_err(|e| Error::new(Kind::Overloaded, "too many events wait for the rooms").with_source(e))?;
        let args = self.publish_args(room, epoch, &event, dedup)?;
        let script = &self.hub.scripts.publish;
        let answer: Value = script.run(&self.hub.commands, keys::sequence(room), args).await?;
        if answer.is_null() {
            return Err(Error::new(Kind::StreamEnded, "the live stream has ended"));
        }
        let (line, repeated): (String, i64) = answer.convert().map_err(failure)?;
        Ok(Published {
            event: Line::event(&line)?,
            repeated: repeated == 1,
        })
    }

    async fn subscribe(&self, room: RoomId, epoch: &str) -> Result<RoomSubscription> {
        if self.stop.is_cancelled() {
            return Err(Error::unavailable("the room bus"));
        }
        self.hub.subscribe(room, epoch).await
    }

    async fn chat(&self, room: RoomId, before: Option<u64>, limit: u32) -> Result<ChatPage> {
        history::chat(&self.hub.commands, room, before, limit).await
    }

    async fn set_viewers(&self, room: RoomId, viewers: u64) -> Result<()> {
        self.viewers.set(&self.hub, room, viewers).await
    }

    async fn viewers(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        viewers::count(&self.hub, rooms).await
    }
}

/// Hands on what comes over the channels, without ever waiting for anyone.
async fn hear(hub: &Arc<Hub>, mut messages: broadcast::Receiver<Message>) {
    loop {
        match messages.recv().await {
            Ok(message) => hub.hear(&message),
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "messages of rooms were lost, they are read from history");
                hub.lagged();
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn notice<T: Clone>(hub: &Arc<Hub>, mut reconnects: broadcast::Receiver<T>) {
    while !matches!(reconnects.recv().await, Err(broadcast::error::RecvError::Closed)) {
        hub.reconnected();
    }
}

async fn keep(hub: Arc<Hub>) {
    let mut ticks = interval(hub.limits.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = hub.nudged() => {}
        }
        hub.keep().await;
    }
}

async fn refresh(hub: Arc<Hub>, viewers: Arc<Viewers>) {
    let mut ticks = interval(hub.limits.viewers_refresh);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = viewers.refresh(&hub).await {
            tracing::debug!(%error, "viewer counts cannot be told yet");
        }
    }
}
