//! Which keys are fetched together, and who waits for them. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::error::Result;
use crate::runtime::{Held, Reply};

/// Answer to a request: what exists among its keys.
pub(super) type Found<K, V> = HashMap<K, V>;

struct Request<K, V> {
    reply: Reply<Result<Found<K, V>>>,
    keys_left: usize,
    found: Found<K, V>,
    /// Its place in the mailbox: what waits here counts against the mailbox's bound.
    _place: Held,
}

/// Keys of one request that are fetched together.
#[derive(Debug)]
struct Part<K> {
    request: u64,
    keys: Vec<K>,
}

/// One query: distinct keys, and the parts of requests that it answers.
#[derive(Debug)]
pub(super) struct Batch<K> {
    pub(super) keys: Vec<K>,
    parts: Vec<Part<K>>,
}

/// The bookkeeping of one loader.
pub(super) struct Pending<K, V> {
    max_batch: usize,
    max_in_flight: usize,
    in_flight: usize,
    next_request: u64,
    requests: HashMap<u64, Request<K, V>>,
    waiting: VecDeque<Part<K>>,
}

impl<K: Copy + Eq + Hash, V: Clone> Pending<K, V> {
    pub(super) fn new(max_batch: usize, max_in_flight: usize) -> Self {
        Self {
            max_batch: max_batch.max(1),
            max_in_flight: max_in_flight.max(1),
            in_flight: 0,
            next_request: 0,
            requests: HashMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Takes a request in. It stays in one batch unless it alone is larger than a batch.
    pub(super) fn add(&mut self, mut keys: Vec<K>, reply: Reply<Result<Found<K, V>>>, place: Held) {
        let mut seen = HashSet::with_capacity(keys.len());
        keys.retain(|key| seen.insert(*key));
        if keys.is_empty() {
            return reply.send(Ok(HashMap::new()));
        }
        let id = self.next_request;
        self.next_request += 1;
        for part in keys.chunks(self.max_batch) {
            self.waiting.push_back(Part {
                request: id,
                keys: part.to_vec(),
            });
        }
        self.requests.insert(
            id,
            Request {
                reply,
                keys_left: keys.len(),
                found: HashMap::new(),
                _place: place,
            },
        );
    }

    /// The next batch to fetch, while there is room for one in flight.
    pub(super) fn next_batch(&mut self) -> Option<Batch<K>> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let mut distinct = HashSet::new();
        let mut batch = Batch {
            keys: Vec::new(),
            parts: Vec::new(),
        };
        while let Some(part) = self.waiting.pop_front() {
            if self
                .requests
                .get(&part.request)
                .is_none_or(|r| r.reply.is_closed())
            {
                self.requests.remove(&part.request);
                continue;
            }
            let fresh = part.keys.iter().filter(|key| !distinct.contains(*key)).count();
            if distinct.len() + fresh > self.max_batch {
                self.waiting.push_front(part);
                break;
            }
            batch
                .keys
                .extend(part.keys.iter().filter(|key| distinct.insert(**key)));
            batch.parts.push(part);
        }
        if batch.keys.is_empty() {
            return None;
        }
        self.in_flight += 1;
        Some(batch)
    }

    /// Answers everyone who waited for this batch and has all of his keys now.
    pub(super) fn finish(&mut self, batch: Batch<K>, outcome: &Result<Found<K, V>>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        for part in batch.parts {
            match outcome {
                Ok(found) => self.deliver(&part, found),
                Err(error) => {
                    if let Some(request) = self.requests.remove(&part.request) {
                        request.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn deliver(&mut self, part: &Part<K>, found: &Found<K, V>) {
        let Some(request) = self.requests.get_mut(&part.request) else {
            return;
        };
        for key in &part.keys {
            if let Some(value) = found.get(key) {
                request.found.insert(*key, value.clone());
            }
        }
        request.keys_left = request.keys_left.saturating_sub(part.keys.len());
        if request.keys_left == 0
            && let Some(request) = self.requests.remove(&part.request)
        {
            request.reply.send(Ok(request.found));
        }
    }

    pub(super) fn figures(&self) -> (usize, usize) {
        (self.requests.len(), self.in_flight)
    }
}
