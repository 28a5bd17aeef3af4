//! The room bus of a single node: rooms live in memory, a journal below makes what they acknowledged durable.
//!
//! A publish waits in its room's queue; one task per busy room takes everything that waits, numbers it, has it
//! journalled in one append, hands it to the listeners and answers. While an append runs, later publishes
//! gather for the next one, so a room's throughput does not depend on the latency of the disk. A number counts
//! only once the journal has it; after an append whose outcome is unknown the journal is asked before the next
//! number is given.

mod dedup;
mod room;
mod sequence;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use nova_actors::domain::Timestamp;
use nova_actors::domain::room::{ChatPage, RoomEvent, RoomId};
use nova_actors::ports::Clock;
use nova_actors::ports::rooms::{DedupKey, JournalEntry, Published, RoomBus, RoomJournal, RoomSubscription};
use nova_actors::{Error, Result};
use tokio::sync::{OnceCell, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::room::{BATCH, Pending, Room};

/// How long the journal may take; then nobody knows whether it wrote.
const JOURNAL_DEADLINE: Duration = Duration::from_secs(5);

/// Bounds of the bus.
#[derive(Debug, Clone, Copy)]
pub struct RoomLimits {
    /// A room remembers at least this many of its newest events.
    pub ring_events: usize,
    /// A room remembers all events of this age ...
    pub ring_age: Duration,
    /// ... but never more than this many.
    pub ring_cap: usize,
    /// How long a client's key is recognised.
    pub dedup_age: Duration,
    /// Most keys that a room remembers; the oldest give way.
    pub dedup_cap: usize,
    /// Most publishes that wait in a room; later ones are refused with `Overloaded`.
    pub waiting: usize,
    /// Most listeners of a room.
    pub subscribers: usize,
    /// Events that a listener may be behind before it is dropped.
    pub outbox: usize,
    /// A room without listeners and publishes leaves the memory after this time.
    pub idle: Duration,
    /// How often idle rooms are looked for.
    pub sweep: Duration,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            ring_events: 512,
            ring_age: Duration::from_secs(120),
            ring_cap: 65_536,
            dedup_age: Duration::from_secs(600),
            dedup_cap: 65_536,
            waiting: 4_096,
            subscribers: 1_024,
            outbox: 1_024,
            idle: Duration::from_secs(300),
            sweep: Duration::from_secs(30),
        }
    }
}

/// See the module. For one process: two buses over one journal would give the same numbers twice.
pub struct MemoryRoomBus {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for MemoryRoomBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRoomBus")
            .field("rooms", &self.rooms_in_memory())
            .finish_non_exhaustive()
    }
}

impl MemoryRoomBus {
    /// A bus with the default bounds, which starts its sweeping task on the current runtime.
    pub fn new(journal: Arc<dyn RoomJournal>, clock: Arc<dyn Clock>) -> Self {
        Self::with_limits(journal, clock, RoomLimits::default())
    }

    /// A bus with other bounds.
    pub fn with_limits(journal: Arc<dyn RoomJournal>, clock: Arc<dyn Clock>, limits: RoomLimits) -> Self {
        let bus = Self {
            shared: Arc::new(Shared {
                journal,
                clock,
                limits,
                rooms: Mutex::default(),
                viewers: Mutex::default(),
            }),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let weak = Arc::downgrade(&bus.shared);
        bus.tasks.spawn(sweep(weak, limits.sweep, bus.stop.clone()));
        bus
    }

    /// How many rooms are in memory.
    #[must_use]
    pub fn rooms_in_memory(&self) -> usize {
        lock(&self.shared.rooms).len()
    }

    /// Refuses further publishes with `Unavailable` and finishes those that wait. The journal stays open.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[async_trait]
impl RoomBus for MemoryRoomBus {
    async fn publish(
        &self,
        room: RoomId,
        epoch: &str,
        event: RoomEvent,
        dedup: Option<DedupKey>,
    ) -> Result<Published> {
        let slot = self.shared.slot(room);
        let state = self.shared.load(room, &slot).await?;
        if self.stop.is_cancelled() {
            return Err(Error::unavailable("the room bus"));
        }
        let (reply, answer) = oneshot::channel();
        let pending = Pending {
            epoch: epoch.to_owned(),
            event,
            dedup,
            reply,
        };
        let now = self.shared.clock.now();
        let start = lock(state).enqueue(pending, &self.shared.limits, now)?;
        if start {
            self.tasks
                .spawn(flush(Arc::clone(&self.shared), room, Arc::clone(&slot)));
        }
        answer
            .await
            .map_err(|gone| Error::unavailable("the room").with_source(gone))?
    }

    async fn subscribe(&self, room: RoomId, epoch: &str) -> Result<RoomSubscription> {
        let slot = self.shared.slot(room);
        let state = self.shared.load(room, &slot).await?;
        let now = self.shared.clock.now();
        lock(state).subscribe(epoch, &self.shared.limits, now)
    }

    async fn chat(&self, room: RoomId, before: Option<u64>, limit: u32) -> Result<ChatPage> {
        self.shared.journal.chat(room, before, limit).await
    }

    async fn set_viewers(&self, room: RoomId, viewers: u64) -> Result<()> {
        let mut counts = lock(&self.shared.viewers);
        if viewers == 0 {
            counts.remove(&room);
        } else {
            counts.insert(room, viewers);
        }
        Ok(())
    }

    async fn viewers(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        let counts = lock(&self.shared.viewers);
        Ok(rooms
            .iter()
            .filter_map(|room| counts.get(room).map(|&viewers| (*room, viewers)))
            .collect())
    }
}

/// A room's place: empty until its journal was read, by one caller for all.
#[derive(Debug, Default)]
struct Slot {
    room: OnceCell<Mutex<Room>>,
}

struct Shared {
    journal: Arc<dyn RoomJournal>,
    clock: Arc<dyn Clock>,
    limits: RoomLimits,
    rooms: Mutex<HashMap<RoomId, Arc<Slot>>>,
    viewers: Mutex<HashMap<RoomId, u64>>,
}

impl Shared {
    /// The room's place. While someone holds it, the room stays in memory.
    fn slot(&self, room: RoomId) -> Arc<Slot> {
        Arc::clone(lock(&self.rooms).entry(room).or_default())
    }

    async fn load<'a>(&self, room: RoomId, slot: &'a Slot) -> Result<&'a Mutex<Room>> {
        slot.room
            .get_or_try_init(|| async {
                let tail = self.tail(room).await?;
                Ok(Mutex::new(Room::restore(&self.limits, tail, self.clock.now())))
            })
            .await
    }

    /// Enough of the journal for the ring, the keys, and a batch in doubt.
    async fn tail(&self, room: RoomId) -> Result<Vec<JournalEntry>> {
        let count = u32::try_from(self.limits.ring_events.max(BATCH)).unwrap_or(u32::MAX);
        let since = self
            .clock
            .now()
            .minus(self.limits.ring_age.max(self.limits.dedup_age));
        within(self.journal.tail(room, count, since)).await
    }

    /// Drops the rooms that nobody uses. A place that someone else holds is in use: places are only handed out
    /// under the lock that is held here.
    fn sweep(&self, now: Timestamp) {
        lock(&self.rooms).retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || slot
                    .room
                    .get()
                    .is_some_and(|room| !lock(room).rest(self.limits.idle, now))
        });
    }
}

/// Works on a room's queue until it is empty.
async fn flush(shared: Arc<Shared>, id: RoomId, slot: Arc<Slot>) {
    let Some(room) = slot.room.get() else { return };
    let mut end = EndOfFlush {
        room,
        error: Error::unavailable("the room"),
        armed: true,
    };
    loop {
        if lock(room).in_doubt() {
            match shared.tail(id).await {
                Ok(tail) => lock(room).resolve(tail, shared.clock.now()),
                Err(error) => {
                    end.error = error;
                    return;
                }
            }
        }
        let Some(flight) = lock(room).next(shared.clock.now()) else {
            end.armed = false;
            return;
        };
        match within(shared.journal.append(flight.entries(id))).await {
            Ok(()) => lock(room).keep(flight, shared.clock.now()),
            Err(error) => flight.fail(&error),
        }
    }
}

/// A flush that ends before its queue is empty, be it by a panic of the journal, leaves nobody waiting and the
/// room usable.
struct EndOfFlush<'a> {
    room: &'a Mutex<Room>,
    error: Error,
    armed: bool,
}

impl Drop for EndOfFlush<'_> {
    fn drop(&mut self) {
        if self.armed {
            lock(self.room).give_up(&self.error);
        }
    }
}

async fn sweep(shared: Weak<Shared>, every: Duration, stop: CancellationToken) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        shared.sweep(shared.clock.now());
    }
}

/// Whatever goes wrong below, to callers the room is not available for the moment.
async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let unavailable = || Error::unavailable("the room journal");
    match timeout(JOURNAL_DEADLINE, work).await {
        Ok(outcome) => outcome.map_err(|cause| unavailable().with_source(cause)),
        Err(late) => Err(unavailable().with_source(late)),
    }
}

/// A panic elsewhere cannot leave these half-changed in a way that matters: whatever was not confirmed is in
/// doubt and read again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
