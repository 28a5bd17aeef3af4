//! A room's sequence without any I/O: who gets which number, what is remembered, which keys were seen.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use nova_actors::domain::Timestamp;
use nova_actors::domain::room::{RoomEvent, SequencedEvent};
use nova_actors::ports::rooms::{DedupKey, JournalEntry};

use super::RoomLimits;
use super::dedup::Dedup;

/// What becomes of an event that someone wants to publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It takes its place at the end of the batch.
    Fresh,
    /// Its key was seen; this is the first event.
    Repeated(Arc<SequencedEvent>),
    /// Its key is in the batch, at this index.
    InBatch(usize),
    /// The end was sequenced before.
    Ended,
}

/// Events on their way to the journal: they have numbers, which count only once they are kept.
#[derive(Debug, Default)]
pub(super) struct Batch {
    epoch: String,
    events: Vec<(Arc<SequencedEvent>, Option<DedupKey>)>,
    keys: HashMap<DedupKey, usize>,
}

impl Batch {
    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) const fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &(Arc<SequencedEvent>, Option<DedupKey>)> {
        self.events.iter()
    }

    /// Whether the end is in it, after which nothing may follow.
    pub(super) fn ends(&self) -> bool {
        self.events.last().is_some_and(|(event, _)| event.event.is_end())
    }
}

/// The sequence of one epoch of a room.
#[derive(Debug)]
pub(super) struct Sequence {
    limits: RoomLimits,
    epoch: Option<String>,
    seq: u64,
    newest_at: Timestamp,
    ended: bool,
    ring: VecDeque<Arc<SequencedEvent>>,
    dedup: Dedup,
}

impl Sequence {
    /// A room of which nothing is known.
    pub(super) fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            epoch: None,
            seq: 0,
            newest_at: Timestamp::from_millis(i64::MIN),
            ended: false,
            ring: VecDeque::new(),
            dedup: Dedup::default(),
        }
    }

    pub(super) fn is(&self, epoch: &str) -> bool {
        self.epoch.as_deref() == Some(epoch)
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn ring(&self) -> Vec<SequencedEvent> {
        self.ring.iter().map(|event| (**event).clone()).collect()
    }

    /// Starts another epoch: from 1, with nothing remembered.
    pub(super) fn begin(&mut self, epoch: &str) {
        *self = Self::new(self.limits);
        self.epoch = Some(epoch.to_owned());
    }

    /// An empty batch of the current epoch.
    pub(super) fn batch(&self) -> Batch {
        Batch {
            epoch: self.epoch.clone().unwrap_or_default(),
            ..Batch::default()
        }
    }

    /// Decides about one event and, when it is fresh, adds it to `batch`. Changes nothing else.
    pub(super) fn admit(
        &self,
        batch: &mut Batch,
        event: RoomEvent,
        dedup: Option<DedupKey>,
        now: Timestamp,
    ) -> Verdict {
        if let Some(key) = &dedup {
            if let Some(first) = self.dedup.get(key, now, self.limits.dedup_age) {
                return Verdict::Repeated(first);
            }
            if let Some(&index) = batch.keys.get(key) {
                return Verdict::InBatch(index);
            }
        }
        if self.ended || batch.ends() {
            return Verdict::Ended;
        }
        let index = batch.events.len();
        let newest_at = batch.events.last().map_or(self.newest_at, |(event, _)| event.at);
        let event = SequencedEvent {
            seq: self.seq + 1 + u64::try_from(index).unwrap_or(u64::MAX),
            // The clock may be set back; times in a room are not.
            at: now.max(newest_at),
            event,
        };
        if let Some(key) = &dedup {
            batch.keys.insert(key.clone(), index);
        }
        batch.events.push((Arc::new(event), dedup));
        Verdict::Fresh
    }

    /// Takes over a batch that is durable. Answers whether its epoch is still the room's.
    pub(super) fn keep(&mut self, batch: &Batch, now: Timestamp) -> bool {
        let current = self.is(&batch.epoch);
        if current {
            for (event, key) in batch.events() {
                self.push(Arc::clone(event), key.clone(), now);
            }
        }
        current
    }

    /// Learns what the journal knows beyond the newest event; answers the events that are new.
    ///
    /// A room of which nothing is known takes the epoch of the newest entry.
    pub(super) fn catch_up(
        &mut self,
        entries: Vec<JournalEntry>,
        now: Timestamp,
    ) -> Vec<Arc<SequencedEvent>> {
        let Some(newest) = entries.last().map(|entry| entry.epoch.clone()) else {
            return Vec::new();
        };
        if *self.epoch.get_or_insert_with(|| newest.clone()) != newest {
            return Vec::new();
        }
        let first = entries
            .iter()
            .rposition(|entry| entry.epoch != newest)
            .map_or(0, |other| other + 1);
        let mut learned = Vec::new();
        for entry in entries.into_iter().skip(first) {
            if entry.event.seq > self.seq {
                let event = Arc::new(entry.event);
                self.push(Arc::clone(&event), entry.dedup, now);
                learned.push(event);
            }
        }
        learned
    }

    /// Forgets what need not be remembered any more.
    pub(super) fn trim(&mut self, now: Timestamp) {
        let limits = self.limits;
        while let Some(oldest) = self.ring.front() {
            let old = now.since(oldest.at) > limits.ring_age;
            let spare = self.ring.len() > limits.ring_events;
            if self.ring.len() <= limits.ring_cap && !(spare && old) {
                break;
            }
            self.ring.pop_front();
        }
        self.dedup.trim(now, limits.dedup_age, limits.dedup_cap);
    }

    fn push(&mut self, event: Arc<SequencedEvent>, key: Option<DedupKey>, now: Timestamp) {
        self.seq = event.seq;
        self.newest_at = event.at;
        self.ended |= event.event.is_end();
        self.ring.push_back(Arc::clone(&event));
        if let Some(key) = key {
            // Before the insertion, so that the same key of long ago does not go for the new one.
            self.dedup.trim(now, self.limits.dedup_age, self.limits.dedup_cap);
            self.dedup.insert(key, event);
        }
        self.trim(now);
    }
}

#[cfg(test)]
mod tests {
    use nova_actors::domain::room::{ChatLine, RoomId};
    use nova_actors::domain::{MessageId, UserId};

    use super::*;

    fn limits() -> RoomLimits {
        RoomLimits {
            ring_events: 4,
            ring_cap: 8,
            ..RoomLimits::default()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn line(text: &str) -> RoomEvent {
        RoomEvent::Chat(ChatLine {
            m: MessageId::new(),
            u: UserId::new(),
            n: "ana".into(),
            x: text.into(),
        })
    }

    fn key(user: UserId, text: &str) -> DedupKey {
        DedupKey {
            user,
            key: text.into(),
        }
    }

    fn started() -> Sequence {
        let mut sequence = Sequence::new(limits());
        sequence.begin("e1");
        sequence
    }

    fn publish(sequence: &mut Sequence, key: Option<DedupKey>, now: Timestamp) -> Verdict {
        let mut batch = sequence.batch();
        let verdict = sequence.admit(&mut batch, line("hi"), key, now);
        sequence.keep(&batch, now);
        verdict
    }

    fn numbers(sequence: &Sequence) -> Vec<u64> {
        sequence.ring().iter().map(|event| event.seq).collect()
    }

    #[test]
    fn young_events_stay_up_to_the_cap_and_old_ones_up_to_the_minimum() {
        let mut sequence = started();
        for _ in 0..10 {
            publish(&mut sequence, None, at(0));
        }
        assert_eq!(numbers(&sequence), (3..=10).collect::<Vec<_>>());
        sequence.trim(at(120));
        assert_eq!(sequence.ring().len(), 8);
        sequence.trim(at(121));
        assert_eq!(numbers(&sequence), [7, 8, 9, 10]);
        sequence.trim(at(100_000));
        assert_eq!(sequence.ring().len(), 4);
    }

    #[test]
    fn a_batch_that_is_not_kept_burns_no_number() {
        let mut sequence = started();
        let mut lost = sequence.batch();
        sequence.admit(&mut lost, line("a"), None, at(0));
        sequence.admit(&mut lost, RoomEvent::ended("ended"), None, at(0));
        drop(lost);
        assert_eq!(publish(&mut sequence, None, at(1)), Verdict::Fresh);
        assert_eq!(numbers(&sequence), [1]);
    }

    #[test]
    fn a_key_is_recognised_for_ten_minutes_per_user() {
        let mut sequence = started();
        let (ana, ben) = (UserId::new(), UserId::new());
        assert_eq!(publish(&mut sequence, Some(key(ana, "k")), at(0)), Verdict::Fresh);
        assert_eq!(publish(&mut sequence, Some(key(ben, "k")), at(0)), Verdict::Fresh);
        let repeated = publish(&mut sequence, Some(key(ana, "k")), at(600));
        assert!(matches!(repeated, Verdict::Repeated(first) if first.seq == 1));
        assert_eq!(
            publish(&mut sequence, Some(key(ana, "k")), at(601)),
            Verdict::Fresh
        );
        let again = publish(&mut sequence, Some(key(ana, "k")), at(602));
        assert!(matches!(again, Verdict::Repeated(first) if first.seq == 3));
    }

    #[test]
    fn a_key_that_is_already_in_the_batch_points_there() {
        let sequence = started();
        let mut batch = sequence.batch();
        let key = key(UserId::new(), "k");
        sequence.admit(&mut batch, line("other"), None, at(0));
        sequence.admit(&mut batch, line("a"), Some(key.clone()), at(0));
        let verdict = sequence.admit(&mut batch, line("a"), Some(key), at(0));
        assert_eq!(verdict, Verdict::InBatch(1));
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn nothing_follows_the_end_but_repeats_are_answered() {
        let mut sequence = started();
        let key = key(UserId::new(), "k");
        publish(&mut sequence, Some(key.clone()), at(0));
        let mut batch = sequence.batch();
        sequence.admit(&mut batch, RoomEvent::ended("ended"), None, at(1));
        assert_eq!(
            sequence.admit(&mut batch, line("late"), None, at(1)),
            Verdict::Ended
        );
        sequence.keep(&batch, at(1));
        assert_eq!(publish(&mut sequence, None, at(2)), Verdict::Ended);
        let repeated = publish(&mut sequence, Some(key), at(2));
        assert!(matches!(repeated, Verdict::Repeated(first) if first.seq == 1));
    }

    #[test]
    fn times_never_fall_when_the_clock_is_set_back() {
        let mut sequence = started();
        publish(&mut sequence, None, at(50));
        publish(&mut sequence, None, at(40));
        assert_eq!(sequence.ring()[1].at, at(50));
    }

    fn entry(epoch: &str, seq: u64, event: RoomEvent, dedup: Option<DedupKey>) -> JournalEntry {
        JournalEntry {
            room: RoomId::new(),
            epoch: epoch.into(),
            event: SequencedEvent {
                seq,
                at: at(10),
                event,
            },
            dedup,
        }
    }

    #[test]
    fn the_journals_newest_epoch_comes_back_with_its_keys_and_its_end() {
        let mut sequence = Sequence::new(limits());
        let key = key(UserId::new(), "k");
        sequence.catch_up(
            vec![
                entry("e1", 7, line("old"), None),
                entry("e2", 1, line("new"), Some(key.clone())),
                entry("e2", 2, RoomEvent::ended("ended"), None),
            ],
            at(20),
        );
        assert!(sequence.is("e2"));
        assert_eq!(numbers(&sequence), [1, 2]);
        assert_eq!(publish(&mut sequence, None, at(20)), Verdict::Ended);
        let repeated = publish(&mut sequence, Some(key), at(20));
        assert!(matches!(repeated, Verdict::Repeated(first) if first.seq == 1));
    }

    #[test]
    fn catching_up_learns_only_what_is_new_in_the_same_epoch() {
        let mut sequence = started();
        publish(&mut sequence, None, at(10));
        let entries = vec![entry("e1", 1, line("a"), None), entry("e1", 2, line("b"), None)];
        let learned = sequence.catch_up(entries, at(20));
        assert_eq!(learned.iter().map(|event| event.seq).collect::<Vec<_>>(), [2]);
        assert!(
            sequence
                .catch_up(vec![entry("e0", 9, line("c"), None)], at(20))
                .is_empty()
        );
        assert_eq!(sequence.seq(), 2);
    }

    #[test]
    fn a_batch_of_an_epoch_that_is_over_leaves_the_new_one_alone() {
        let mut sequence = started();
        let mut batch = sequence.batch();
        sequence.admit(&mut batch, line("a"), None, at(0));
        sequence.begin("e2");
        assert!(!sequence.keep(&batch, at(0)));
        assert_eq!(sequence.seq(), 0);
    }
}
