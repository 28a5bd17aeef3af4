//! A map that forgets what was put in first when it is full.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Remembers at most a fixed number of keys.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    capacity: usize,
    values: HashMap<K, V>,
    /// Keys from the oldest; each key of `values` once.
    order: VecDeque<K>,
}

impl<K: Hash + Eq + Copy, V> Bounded<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Puts a value; a known key keeps its age.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.values.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        while self.values.len() > self.capacity {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.values.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if self.values.remove(key).is_some() {
            self.order.retain(|known| known != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_makes_room() {
        let mut map = Bounded::new(2);
        map.insert(1, 'a');
        map.insert(2, 'b');
        map.insert(1, 'c');
        map.insert(3, 'd');
        assert_eq!(
            (map.get(&1), map.get(&2), map.get(&3)),
            (None, Some(&'b'), Some(&'d'))
        );
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn a_removed_key_leaves_its_place() {
        let mut map = Bounded::new(2);
        map.insert(1, 'a');
        map.insert(2, 'b');
        map.remove(&1);
        map.insert(3, 'c');
        assert_eq!((map.get(&2), map.get(&3)), (Some(&'b'), Some(&'c')));
    }
}
