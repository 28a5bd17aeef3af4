//! The clients' keys that a room has seen.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use nova_actors::domain::Timestamp;
use nova_actors::domain::room::SequencedEvent;
use nova_actors::ports::rooms::DedupKey;

/// The keys that were seen, oldest first.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    first: HashMap<DedupKey, Arc<SequencedEvent>>,
    order: VecDeque<DedupKey>,
}

impl Dedup {
    /// The first event of a key, when it is at most `age` old.
    pub(super) fn get(&self, key: &DedupKey, now: Timestamp, age: Duration) -> Option<Arc<SequencedEvent>> {
        let event = self.first.get(key)?;
        (now.since(event.at) <= age).then(|| Arc::clone(event))
    }

    /// Remembers a key. Events come with times that do not fall.
    pub(super) fn insert(&mut self, key: DedupKey, event: Arc<SequencedEvent>) {
        if self.first.insert(key.clone(), event).is_none() {
            self.order.push_back(key);
        }
    }

    /// Forgets what is older than `age`, and the oldest beyond `cap` keys.
    pub(super) fn trim(&mut self, now: Timestamp, age: Duration, cap: usize) {
        while let Some(oldest) = self.order.front() {
            let expired = self
                .first
                .get(oldest)
                .is_none_or(|event| now.since(event.at) > age);
            if self.order.len() <= cap && !expired {
                break;
            }
            self.first.remove(oldest);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use nova_actors::domain::UserId;
    use nova_actors::domain::room::RoomEvent;

    use super::*;

    const AGE: Duration = Duration::from_millis(100);

    fn seen(dedup: &mut Dedup, user: UserId, key: &str, at: i64) -> DedupKey {
        let key = DedupKey {
            user,
            key: key.into(),
        };
        let event = SequencedEvent {
            seq: 1,
            at: Timestamp::from_millis(at),
            event: RoomEvent::ended("ended"),
        };
        dedup.insert(key.clone(), Arc::new(event));
        key
    }

    fn knows(dedup: &Dedup, key: &DedupKey, now: i64) -> bool {
        dedup.get(key, Timestamp::from_millis(now), AGE).is_some()
    }

    #[test]
    fn the_oldest_keys_give_way_to_new_ones() {
        let mut dedup = Dedup::default();
        let user = UserId::new();
        let keys = ["a", "b", "c"].map(|key| seen(&mut dedup, user, key, 0));
        dedup.trim(Timestamp::from_millis(0), AGE, 2);
        assert_eq!(keys.map(|key| knows(&dedup, &key, 0)), [false, true, true]);
        assert_eq!((dedup.first.len(), dedup.order.len()), (2, 2));
    }

    #[test]
    fn old_keys_are_not_known_and_take_no_room() {
        let mut dedup = Dedup::default();
        let user = UserId::new();
        let old = seen(&mut dedup, user, "old", 0);
        let young = seen(&mut dedup, user, "young", 50);
        assert!(knows(&dedup, &old, 100));
        assert!(!knows(&dedup, &old, 101));
        dedup.trim(Timestamp::from_millis(101), AGE, 10);
        assert!(knows(&dedup, &young, 101));
        assert_eq!((dedup.first.len(), dedup.order.len()), (1, 1));
    }
}
