//! Where the consumer stands in each partition, and what to do next. Pure.

use std::collections::BTreeMap;

use crate::domain::change::CapturedTable;
use crate::ports::analytics::Claim;
use crate::runtime::retry::{Pauses, RetrySettings};

/// A partition of a captured table's topic.
pub(super) type Partition = (CapturedTable, u16);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// At the end of the partition, as far as known.
    Idle,
    /// A batch is in flight; `true` when something was appended meanwhile.
    Busy(bool),
    /// Waits after a failure.
    Pausing,
    /// Stopped for good, with the reason.
    Halted(String),
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) next: u64,
    pub(super) doing: Doing,
    pauses: Pauses,
}

/// What a batch came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Applied up to `next`; `more` when the partition has more right now.
    Applied { next: u64, more: bool },
    /// A dependency was away.
    Failed,
    /// See [`Doing::Halted`].
    Halted { next: u64, reason: String },
}

/// What follows from an outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Fetch,
    Wait,
    PauseFor(std::time::Duration),
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    places: BTreeMap<(&'static str, u16), (CapturedTable, Place)>,
}

impl Progress {
    pub(super) fn claimed(&mut self, partition: Partition, claim: &Claim, retry: RetrySettings) {
        let place = Place {
            epoch: claim.epoch,
            next: claim.next_offset,
            doing: Doing::Idle,
            pauses: retry.pauses(),
        };
        self.places
            .insert((partition.0.topic(), partition.1), (partition.0, place));
    }

    /// Partitions to fetch from because something was appended.
    pub(super) fn appended(&mut self) -> Vec<Partition> {
        let mut idle = Vec::new();
        for ((_, number), (table, place)) in &mut self.places {
            match &mut place.doing {
                Doing::Idle => {
                    place.doing = Doing::Busy(false);
                    idle.push((*table, *number));
                }
                Doing::Busy(appended) => *appended = true,
                Doing::Pausing | Doing::Halted(_) => {}
            }
        }
        idle
    }

    /// Marks a partition as being fetched from; its epoch and offset.
    pub(super) fn begin(&mut self, partition: Partition) -> Option<(u64, u64)> {
        let place = self.place(partition)?;
        place.doing = Doing::Busy(false);
        Some((place.epoch, place.next))
    }

    pub(super) fn finish(&mut self, partition: Partition, outcome: Outcome) -> Next {
        let Some(place) = self.place(partition) else {
            return Next::Wait;
        };
        match outcome {
            Outcome::Applied { next, more } => {
                place.next = next;
                place.pauses.reset();
                let appended = place.doing == Doing::Busy(true);
                place.doing = Doing::Idle;
                if more || appended { Next::Fetch } else { Next::Wait }
            }
            Outcome::Failed => {
                place.doing = Doing::Pausing;
                Next::PauseFor(place.pauses.next_pause())
            }
            Outcome::Halted { next, reason } => {
                place.next = next;
                place.doing = Doing::Halted(reason);
                Next::Wait
            }
        }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (&'static str, u16, &Place)> {
        self.places
            .iter()
            .map(|((topic, number), (_, place))| (*topic, *number, place))
    }

    fn place(&mut self, (table, number): Partition) -> Option<&mut Place> {
        self.places
            .get_mut(&(table.topic(), number))
            .map(|(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = (CapturedTable::Posts, 0);

    fn progress() -> Progress {
        let mut progress = Progress::default();
        progress.claimed(
            P,
            &Claim {
                pending: None,
                epoch: 3,
                next_offset: 7,
            },
            RetrySettings::default(),
        );
        progress
    }

    #[test]
    fn one_batch_is_in_flight_and_an_append_meanwhile_is_not_missed() {
        let mut progress = progress();
        assert_eq!(progress.appended(), [P]);
        assert!(progress.appended().is_empty(), "already fetching");
        assert_eq!(
            progress.finish(P, Outcome::Applied { next: 9, more: false }),
            Next::Fetch
        );
        assert_eq!(progress.begin(P), Some((3, 9)));
        assert_eq!(
            progress.finish(P, Outcome::Applied { next: 9, more: false }),
            Next::Wait
        );
    }

    #[test]
    fn failures_pause_longer_each_time_and_lose_nothing() {
        let mut progress = progress();
        let mut last = std::time::Duration::ZERO;
        for _ in 0..3 {
            assert_eq!(progress.begin(P), Some((3, 7)));
            let Next::PauseFor(pause) = progress.finish(P, Outcome::Failed) else {
                panic!("no pause")
            };
            assert!(pause > last);
            last = pause;
            assert!(progress.appended().is_empty(), "a pause is not cut short");
        }
    }

    #[test]
    fn a_halted_partition_stays_halted() {
        let mut progress = progress();
        progress.begin(P);
        progress.finish(
            P,
            Outcome::Halted {
                next: 8,
                reason: "truncated".into(),
            },
        );
        assert!(progress.appended().is_empty());
        assert!(
            progress
                .places()
                .any(|(_, _, p)| p.doing == Doing::Halted("truncated".into()))
        );
    }
}
