//! What a ranker worker remembers and decides. Pure: time comes in, effects go out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::bounded::Bounded;
use super::request::Want;
use super::settings::FeedSettings;
use super::shelf::{Current, Found, Pointer};
use super::snapshot::{Generation, Snapshot};
use crate::domain::feed::Rung;
use crate::domain::{Timestamp, UserId};

/// Snapshots that a worker keeps itself: they spare decoding, and carry it over an outage of the cache.
const SNAPSHOTS: usize = 128;
/// Readers whose marks a worker remembers.
const READERS: usize = 10_000;

/// What to do with a request for the reader's current snapshot.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// Serve this one.
    Serve(Arc<Snapshot>),
    /// Serve this one, and have a new one made.
    ServeStale(Arc<Snapshot>),
    /// Make one first.
    Build,
}

/// A finished build that is to be stored.
#[derive(Debug, Clone)]
pub(super) struct Publication {
    pub(super) reader: UserId,
    pub(super) snapshot: Arc<Snapshot>,
    /// Given when it becomes the reader's current one.
    pub(super) pointer: Option<Pointer>,
}

/// A stored build and those who wait for it.
#[derive(Debug)]
pub(super) struct Landed<W> {
    pub(super) reader: UserId,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) waiters: Vec<W>,
    /// The reader was marked while it was being stored: the pointer has to go again.
    pub(super) outdated: bool,
}

/// One build; everyone who asks for the same meanwhile waits for it.
#[derive(Debug)]
struct Flight<W> {
    reader: UserId,
    want: Want,
    /// Place in the order of builds and marks.
    turn: u64,
    /// Made beside a stale snapshot that is still good.
    refresh: bool,
    waiters: Vec<W>,
    publication: Option<Publication>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Timestamp,
    turn: u64,
}

/// State of one worker; `W` is what waits for a build.
#[derive(Debug)]
pub(super) struct RankerState<W> {
    settings: FeedSettings,
    snapshots: Bounded<Generation, (UserId, Arc<Snapshot>)>,
    current: Bounded<UserId, Current>,
    marks: Bounded<UserId, Mark>,
    /// No refresh before then: the last one was worse than what is being served.
    rests: Bounded<UserId, Timestamp>,
    flights: HashMap<u64, Flight<W>>,
    turn: u64,
    open: usize,
}

impl<W> RankerState<W> {
    pub(super) fn new(settings: FeedSettings) -> Self {
        Self {
            settings,
            snapshots: Bounded::new(SNAPSHOTS),
            current: Bounded::new(SNAPSHOTS),
            marks: Bounded::new(READERS),
            rests: Bounded::new(READERS),
            flights: HashMap::new(),
            turn: 0,
            open: 0,
        }
    }

    /// Takes a request in; `false` when there are too many.
    pub(super) fn admit(&mut self) -> bool {
        let admitted = self.open < self.settings.in_flight;
        self.open += usize::from(admitted);
        admitted
    }

    /// A request was answered or given up.
    pub(super) fn release(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Requests, builds and snapshots at hand.
    pub(super) fn figures(&self) -> (usize, usize, usize) {
        (self.open, self.flights.len(), self.snapshots.len())
    }

    pub(super) fn known_current(&self, reader: UserId) -> Option<Current> {
        self.current.get(&reader).cloned()
    }

    pub(super) fn known(&self, reader: UserId, generation: Generation) -> Option<Arc<Snapshot>> {
        let (owner, snapshot) = self.snapshots.get(&generation)?;
        (*owner == reader).then(|| Arc::clone(snapshot))
    }

    /// Decides over what the cache said, with the word for its metric.
    pub(super) fn judge(&self, reader: UserId, found: Found, now: Timestamp) -> (Verdict, &'static str) {
        let (current, failed) = match found {
            Found::Current(current) => (Some(current), false),
            Found::Nothing => (None, false),
            Found::Failed => (self.known_current(reader), true),
        };
        let (verdict, result) = match current {
            Some(current) => self.judge_current(reader, current, now),
            None => (Verdict::Build, "miss"),
        };
        (verdict, if failed { "error" } else { result })
    }

    fn judge_current(&self, reader: UserId, current: Current, now: Timestamp) -> (Verdict, &'static str) {
        let Current { pointer, snapshot } = current;
        if pointer.ranker != self.usual(reader).ranker || self.is_marked(reader, pointer.built_at, now) {
            return (Verdict::Build, "miss");
        }
        if now < pointer.soft_until {
            return (Verdict::Serve(snapshot), "fresh");
        }
        let usable = pointer.rung == Rung::Fresh && now.since(pointer.built_at) <= self.settings.stale_for;
        if usable {
            (Verdict::ServeStale(snapshot), "stale")
        } else {
            (Verdict::Build, "miss")
        }
    }

    /// The next read makes a new snapshot, even if one is being made right now.
    pub(super) fn mark(&mut self, reader: UserId, now: Timestamp) {
        self.turn += 1;
        self.marks.insert(
            reader,
            Mark {
                at: now,
                turn: self.turn,
            },
        );
        self.current.remove(&reader);
    }

    fn is_marked(&self, reader: UserId, built_at: Timestamp, now: Timestamp) -> bool {
        self.marks.get(&reader).is_some_and(|mark| {
            let unsettled = built_at < mark.at.plus(self.settings.settle);
            built_at <= mark.at || (unsettled && now >= built_at.plus(self.settings.unranked_ttl))
        })
    }

    fn is_outdated(&self, reader: UserId, turn: u64) -> bool {
        self.marks.get(&reader).is_some_and(|mark| turn < mark.turn)
    }

    /// Waits for a build; answers the flight to be started, unless one is under way.
    pub(super) fn join(&mut self, reader: UserId, want: Want, waiter: W) -> Option<u64> {
        if let Some(turn) = self.under_way(reader, want) {
            if let Some(flight) = self.flights.get_mut(&turn) {
                flight.waiters.push(waiter);
            }
            return None;
        }
        Some(self.take_off(reader, want, vec![waiter], false))
    }

    /// Has a stale snapshot replaced; answers the flight to be started, unless one is under way or the last
    /// attempt was only just in vain.
    pub(super) fn refresh(&mut self, reader: UserId, now: Timestamp) -> Option<u64> {
        let resting = self.rests.get(&reader).is_some_and(|until| now < *until);
        if resting || self.under_way(reader, self.usual(reader)).is_some() {
            return None;
        }
        Some(self.take_off(reader, self.usual(reader), Vec::new(), true))
    }

    fn under_way(&self, reader: UserId, want: Want) -> Option<u64> {
        let same = |flight: &&Flight<W>| {
            flight.reader == reader && flight.want == want && !self.is_outdated(reader, flight.turn)
        };
        self.flights.values().find(same).map(|flight| flight.turn)
    }

    fn take_off(&mut self, reader: UserId, want: Want, waiters: Vec<W>, refresh: bool) -> u64 {
        self.turn += 1;
        let flight = Flight {
            reader,
            want,
            turn: self.turn,
            refresh,
            waiters,
            publication: None,
        };
        self.flights.insert(self.turn, flight);
        self.turn
    }

    /// A build is ready. `None` when nobody wants it: it is worse than what is being served.
    ///
    /// `jitter` from -1 to 1 spreads the times at which snapshots get old.
    pub(super) fn built(
        &mut self,
        flight: u64,
        snapshot: Arc<Snapshot>,
        now: Timestamp,
        jitter: f64,
    ) -> Option<Publication> {
        let Flight {
            reader,
            want,
            turn,
            refresh,
            ref waiters,
            ..
        } = *self.flights.get(&flight)?;
        let in_vain = refresh && !snapshot.origin.is_complete();
        if in_vain {
            self.rests.insert(reader, now.plus(self.settings.degraded_ttl));
            if waiters.is_empty() {
                self.flights.remove(&flight);
                return None;
            }
        }
        let current = want == self.usual(reader) && !in_vain && !self.is_outdated(reader, turn);
        let pointer = current.then(|| {
            let soft_until = snapshot.origin.built_at.plus(self.soft_ttl(&snapshot, jitter));
            Pointer::to(&snapshot.origin, want.ranker, soft_until)
        });
        self.snapshots
            .insert(snapshot.origin.generation, (reader, Arc::clone(&snapshot)));
        let publication = Publication {
            reader,
            snapshot,
            pointer,
        };
        if let Some(flight) = self.flights.get_mut(&flight) {
            flight.publication = Some(publication.clone());
        }
        Some(publication)
    }

    /// A build was stored, or could not be: it is served in any case.
    pub(super) fn published(&mut self, flight: u64) -> Option<Landed<W>> {
        let flight = self.flights.remove(&flight)?;
        let publication = flight.publication?;
        let outdated = self.is_outdated(flight.reader, flight.turn);
        if let Some(pointer) = publication.pointer.filter(|_| !outdated) {
            let snapshot = Arc::clone(&publication.snapshot);
            self.current.insert(flight.reader, Current { pointer, snapshot });
        }
        Some(Landed {
            reader: flight.reader,
            snapshot: publication.snapshot,
            waiters: flight.waiters,
            outdated: outdated && publication.pointer.is_some(),
        })
    }

    fn usual(&self, reader: UserId) -> Want {
        Want::usual(reader, &self.settings)
    }

    fn soft_ttl(&self, snapshot: &Snapshot, jitter: f64) -> Duration {
        if !snapshot.origin.is_complete() {
            self.settings.degraded_ttl
        } else if snapshot.origin.rung == Rung::Fresh {
            self.settings
                .soft_ttl
                .mul_f64(1.0 + 0.1 * jitter.clamp(-1.0, 1.0))
        } else {
            self.settings.unranked_ttl
        }
    }
}
