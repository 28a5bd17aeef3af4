//! The bus over a journal that can be held, broken and counted.

mod fakes;

use std::sync::atomic::Ordering;

use nova_actors::Kind;
use nova_actors::domain::room::ChatLine;
use nova_actors::domain::{MessageId, UserId};
use tokio::task::JoinSet;

use self::fakes::{FakeClock, FakeJournal, Mood};
use super::*;

struct World {
    journal: Arc<FakeJournal>,
    clock: Arc<FakeClock>,
    bus: Arc<MemoryRoomBus>,
    room: RoomId,
}

impl World {
    fn new(limits: RoomLimits) -> Self {
        let journal = FakeJournal::new();
        let clock = Arc::new(FakeClock::default());
        let bus = MemoryRoomBus::with_limits(journal.clone(), clock.clone(), limits);
        Self {
            journal,
            clock,
            bus: Arc::new(bus),
            room: RoomId::new(),
        }
    }

    async fn publish(&self, key: Option<&DedupKey>) -> Result<Published> {
        self.bus.publish(self.room, "e1", line(), key.cloned()).await
    }

    /// Starts publishes and waits until all of them are in the room's hands.
    async fn publish_many(&self, epochs: &[&'static str]) -> JoinSet<Result<Published>> {
        let mut callers = JoinSet::new();
        for &epoch in epochs {
            let (bus, room) = (Arc::clone(&self.bus), self.room);
            callers.spawn(async move { bus.publish(room, epoch, line(), None).await });
        }
        settle().await;
        callers
    }
}

fn world() -> World {
    World::new(RoomLimits::default())
}

fn line() -> RoomEvent {
    RoomEvent::Chat(ChatLine {
        m: MessageId::new(),
        u: UserId::new(),
        n: "ana".into(),
        x: "hi".into(),
    })
}

fn key() -> DedupKey {
    DedupKey {
        user: UserId::new(),
        key: "k".into(),
    }
}

/// Lets every other task run until it waits for something. The tests here run on one thread, so that this is
/// exact.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_hundred_concurrent_publishes_share_the_journals_appends() {
    let world = world();
    let held = world.journal.hold().await;
    let callers = world.publish_many(&["e1"; 200]).await;
    drop(held);
    for answer in callers.join_all().await {
        answer.unwrap();
    }
    assert_eq!(world.journal.seqs(), (1..=200).collect::<Vec<_>>());
    let appends = world.journal.appends.load(Ordering::SeqCst);
    assert!(appends <= 2, "{appends} appends for 200 events");
}

#[tokio::test]
async fn nothing_is_heard_or_answered_before_it_is_durable() {
    let world = world();
    let mut listener = world.bus.subscribe(world.room, "e1").await.unwrap();
    let held = world.journal.hold().await;
    let mut callers = world.publish_many(&["e1"]).await;
    assert!(callers.try_join_next().is_none());
    assert!(listener.events.try_recv().is_err());
    assert_eq!(world.bus.subscribe(world.room, "e1").await.unwrap().seq, 0);
    drop(held);
    callers.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(listener.events.try_recv().unwrap().seq, 1);
}

#[tokio::test]
async fn a_refused_append_burns_no_number_and_nobody_hears_of_it() {
    let world = world();
    let mut listener = world.bus.subscribe(world.room, "e1").await.unwrap();
    world.journal.set(Mood::Refuses);
    let key = key();
    let error = world.publish(Some(&key)).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    assert!(listener.events.try_recv().is_err());
    world.journal.set(Mood::Fine);
    let published = world.publish(Some(&key)).await.unwrap();
    assert_eq!((published.event.seq, published.repeated), (1, false));
    assert_eq!(listener.events.recv().await, Some(published.event));
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_found_again() {
    let world = world();
    let mut listener = world.bus.subscribe(world.room, "e1").await.unwrap();
    world.journal.set(Mood::WritesAndFails);
    let key = key();
    let error = world.publish(Some(&key)).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    world.journal.set(Mood::Fine);
    let next = world.publish(None).await.unwrap();
    assert_eq!(next.event.seq, 2);
    let repeated = world.publish(Some(&key)).await.unwrap();
    assert_eq!((repeated.event.seq, repeated.repeated), (1, true));
    assert_eq!(listener.events.recv().await, Some(repeated.event));
    assert_eq!(listener.events.recv().await, Some(next.event));
    assert_eq!(world.journal.seqs(), [1, 2]);
}

#[tokio::test]
async fn while_the_journal_cannot_be_asked_everyone_is_told() {
    let world = world();
    world.publish(None).await.unwrap();
    world.journal.set(Mood::WritesAndFails);
    world.publish(None).await.unwrap_err();
    *lock(&world.journal.tail_fails) = true;
    world.journal.set(Mood::Fine);
    let error = world.publish(None).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    *lock(&world.journal.tail_fails) = false;
    assert_eq!(world.publish(None).await.unwrap().event.seq, 3);
}

#[tokio::test]
async fn a_journal_that_panics_leaves_the_room_usable() {
    let world = world();
    world.journal.set(Mood::Panics);
    let error = world.publish(None).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    world.journal.set(Mood::Fine);
    assert_eq!(world.publish(None).await.unwrap().event.seq, 1);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_hangs_is_given_up_after_its_deadline() {
    let world = world();
    let held = world.journal.hold().await;
    let error = world.publish(None).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    drop(held);
    assert_eq!(world.publish(None).await.unwrap().event.seq, 1);
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_publish_in_flight() {
    let world = world();
    let key = key();
    let held = world.journal.hold().await;
    let mut callers = JoinSet::new();
    for _ in 0..2 {
        let (bus, room, key) = (Arc::clone(&world.bus), world.room, key.clone());
        callers.spawn(async move { bus.publish(room, "e1", line(), Some(key)).await });
        // The first is on its way to the journal before the second comes.
        settle().await;
    }
    assert!(callers.try_join_next().is_none());
    drop(held);
    let answers: Vec<_> = callers.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers[0].event, answers[1].event);
    assert_eq!(answers.iter().filter(|answer| answer.repeated).count(), 1);
    assert_eq!(world.journal.seqs(), [1]);
}

#[tokio::test]
async fn a_room_is_loaded_once_for_all_who_ask() {
    let world = world();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (bus, room) = (Arc::clone(&world.bus), world.room);
        callers.spawn(async move { bus.subscribe(room, "e1").await.unwrap() });
    }
    callers.join_all().await;
    assert_eq!(world.journal.tails.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failed_load_is_tried_again() {
    let world = world();
    *lock(&world.journal.tail_fails) = true;
    let error = world.bus.subscribe(world.room, "e1").await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    *lock(&world.journal.tail_fails) = false;
    world.bus.subscribe(world.room, "e1").await.unwrap();
}

#[tokio::test]
async fn publishes_beyond_the_bound_are_refused() {
    let world = World::new(RoomLimits {
        waiting: 10,
        ..RoomLimits::default()
    });
    let held = world.journal.hold().await;
    // One is in flight, ten wait.
    let mut waiting = world.publish_many(&["e1"]).await;
    let more = world.publish_many(&["e1"; 10]).await;
    let error = world.publish(None).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Overloaded);
    drop(held);
    waiting.join_next().await.unwrap().unwrap().unwrap();
    for answer in more.join_all().await {
        answer.unwrap();
    }
    assert_eq!(world.publish(None).await.unwrap().event.seq, 12);
}

#[tokio::test]
async fn listeners_beyond_the_bound_are_refused_until_one_leaves() {
    let world = World::new(RoomLimits {
        subscribers: 1,
        ..RoomLimits::default()
    });
    let listener = world.bus.subscribe(world.room, "e1").await.unwrap();
    let error = world.bus.subscribe(world.room, "e1").await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Overloaded);
    drop(listener);
    world.bus.subscribe(world.room, "e1").await.unwrap();
}

#[tokio::test]
async fn a_full_listener_is_dropped_and_the_publish_is_not_slowed() {
    let world = World::new(RoomLimits {
        outbox: 2,
        ..RoomLimits::default()
    });
    let mut listener = world.bus.subscribe(world.room, "e1").await.unwrap();
    for _ in 0..3 {
        world.publish(None).await.unwrap();
    }
    let mut heard = Vec::new();
    while let Some(event) = listener.events.recv().await {
        heard.push(event.seq);
    }
    assert_eq!(heard, [1, 2]);
}

#[tokio::test]
async fn epochs_in_one_queue_are_kept_apart() {
    let world = world();
    let held = world.journal.hold().await;
    let callers = world.publish_many(&["e1", "e1", "e2", "e2", "e2"]).await;
    drop(held);
    for answer in callers.join_all().await {
        answer.unwrap();
    }
    assert_eq!(world.journal.seqs(), [1, 2, 1, 2, 3]);
    let listener = world.bus.subscribe(world.room, "e2").await.unwrap();
    assert_eq!((listener.seq, listener.ring.len()), (3, 3));
}

#[tokio::test]
async fn an_event_in_flight_does_not_enter_the_epoch_that_began_meanwhile() {
    let world = world();
    let held = world.journal.hold().await;
    let mut callers = world.publish_many(&["e1"]).await;
    let mut listener = world.bus.subscribe(world.room, "e2").await.unwrap();
    drop(held);
    callers.join_next().await.unwrap().unwrap().unwrap();
    assert!(listener.events.try_recv().is_err());
    let published = world.bus.publish(world.room, "e2", line(), None).await.unwrap();
    assert_eq!(published.event.seq, 1);
    assert_eq!(listener.events.recv().await, Some(published.event));
}

#[tokio::test(start_paused = true)]
async fn idle_rooms_leave_the_memory_and_come_back() {
    let limits = RoomLimits::default();
    let world = world();
    world.publish(None).await.unwrap();
    let heard = RoomId::new();
    let listener = world.bus.subscribe(heard, "e1").await.unwrap();
    assert_eq!(world.bus.rooms_in_memory(), 2);

    tokio::time::advance(limits.sweep).await;
    settle().await;
    assert_eq!(world.bus.rooms_in_memory(), 2, "not idle yet");

    world.clock.advance(limits.idle);
    tokio::time::advance(limits.sweep).await;
    settle().await;
    assert_eq!(world.bus.rooms_in_memory(), 1, "the one that is listened to");
    assert_eq!(world.publish(None).await.unwrap().event.seq, 2);

    drop(listener);
    world.clock.advance(limits.idle);
    tokio::time::advance(limits.sweep).await;
    settle().await;
    assert_eq!(world.bus.rooms_in_memory(), 0);
}

#[tokio::test]
async fn a_closed_bus_finishes_what_waits_and_refuses_the_rest() {
    let world = world();
    let held = world.journal.hold().await;
    let callers = world.publish_many(&["e1"; 3]).await;
    let closing = {
        let bus = Arc::clone(&world.bus);
        async move { bus.close().await }
    };
    let ((), ()) = tokio::join!(closing, async {
        settle().await;
        drop(held);
    });
    assert_eq!(world.journal.seqs(), [1, 2, 3]);
    for answer in callers.join_all().await {
        answer.unwrap();
    }
    let error = world.publish(None).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
}
