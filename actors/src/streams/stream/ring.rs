//! The last events of a room, encoded, and what of them a returning viewer still needs. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::room::SequencedEvent;
use crate::error::Result;
use crate::streams::frame::{EncodedEvent, LogFrame, Missed, ResumeKind, log_frames};

/// Events that are kept at least.
pub(super) const KEEP_EVENTS: usize = 512;
/// Events younger than this are kept, too.
const KEEP_FOR: Duration = Duration::from_secs(120);
/// Events that are kept at most, however young: the room's memory has a bound.
const MOST_EVENTS: usize = 65_536;

/// Consecutive events up to `seq`.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<EncodedEvent>,
    seq: u64,
}

/// What a join gives a viewer who has seen everything up to some point.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) kind: ResumeKind,
    pub(super) missed: Option<Missed>,
    pub(super) replay: Vec<LogFrame>,
}

impl Resume {
    const FRESH: Self = Self {
        kind: ResumeKind::Fresh,
        missed: None,
        replay: Vec::new(),
    };
}

impl Ring {
    /// What the bus remembers, up to `seq`.
    pub(super) fn restore(events: &[SequencedEvent], seq: u64) -> Result<Self> {
        let mut ring = Self::default();
        for event in events {
            ring.push(event)?;
        }
        ring.skip_to(seq);
        Ok(ring)
    }

    /// The sequence is at `seq` although its events are not known: they become a gap.
    pub(super) fn skip_to(&mut self, seq: u64) {
        if seq > self.seq {
            self.seq = seq;
            self.events.clear();
        }
    }

    /// Newest sequence number, 0 for none.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether the broadcast's end is among the events.
    pub(super) fn has_end(&self) -> bool {
        self.events.back().is_some_and(|event| event.is_end)
    }

    /// Takes the next event; `false` for one that is here already. A hole forgets what was before it, so
    /// that the ring stays consecutive and a resume across the hole is a gap.
    pub(super) fn push(&mut self, event: &SequencedEvent) -> Result<bool> {
        if event.seq <= self.seq {
            return Ok(false);
        }
        if event.seq != self.seq + 1 {
            self.events.clear();
        }
        self.seq = event.seq;
        self.events.push_back(EncodedEvent::new(event)?);
        let young = event.at.minus(KEEP_FOR);
        while self.events.len() > MOST_EVENTS
            || (self.events.len() > KEEP_EVENTS && self.events.front().is_some_and(|e| e.at < young))
        {
            self.events.pop_front();
        }
        Ok(true)
    }

    /// Frames of the events after `after`, and the range before them that is no longer here.
    pub(super) fn since(&self, after: u64) -> (Option<Missed>, Vec<LogFrame>) {
        let oldest = self.events.front().map_or(self.seq + 1, |event| event.seq);
        let missed = (after + 1 < oldest).then_some(Missed {
            from: after + 1,
            to: oldest - 1,
        });
        let skip = usize::try_from((after + 1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        (missed, log_frames(self.events.iter().skip(skip)))
    }

    /// What a viewer gets who goes live after `live`, and has seen everything up to `seen`.
    pub(super) fn resume(&self, seen: Option<u64>, live: u64) -> Resume {
        let Some(seen) = seen.filter(|seen| *seen <= live) else {
            return Resume::FRESH;
        };
        let oldest = self.events.front().map_or(self.seq + 1, |event| event.seq);
        let missed = (seen + 1 < oldest && seen < live).then(|| Missed {
            from: seen + 1,
            to: (oldest - 1).min(live),
        });
        let replay = log_frames(
            self.events
                .iter()
                .filter(|event| event.seq > seen && event.seq <= live),
        );
        let kind = if missed.is_some() {
            ResumeKind::Gap
        } else {
            ResumeKind::Ok
        };
        Resume { kind, missed, replay }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::room::RoomEvent;

    fn event(seq: u64, at: i64) -> SequencedEvent {
        SequencedEvent {
            seq,
            at: Timestamp::from_millis(at),
            event: RoomEvent::ended("x"),
        }
    }

    fn covered(replay: &[LogFrame]) -> Vec<u64> {
        replay.iter().flat_map(|frame| frame.first..=frame.last).collect()
    }

    #[test]
    fn without_a_position_a_viewer_is_fresh() {
        let ring = Ring::restore(&[event(1, 0)], 1).unwrap();
        assert_eq!(ring.resume(None, 1), Resume::FRESH);
    }

    #[test]
    fn a_position_from_the_future_is_fresh() {
        let ring = Ring::restore(&[event(1, 0)], 1).unwrap();
        assert_eq!(ring.resume(Some(2), 1), Resume::FRESH);
    }

    #[test]
    fn nothing_missed_is_ok_with_nothing_to_replay() {
        let ring = Ring::restore(&[event(1, 0), event(2, 0)], 2).unwrap();
        let resume = ring.resume(Some(2), 2);
        assert_eq!((resume.kind, resume.replay.len()), (ResumeKind::Ok, 0));
        assert_eq!(Ring::default().resume(Some(0), 0).kind, ResumeKind::Ok);
    }

    #[test]
    fn a_bus_that_forgot_its_events_leaves_a_gap_with_the_exact_range() {
        let ring = Ring::restore(&[], 9).unwrap();
        let resume = ring.resume(Some(4), 9);
        assert_eq!(resume.kind, ResumeKind::Gap);
        assert_eq!(resume.missed, Some(Missed { from: 5, to: 9 }));
    }

    #[test]
    fn old_events_go_only_when_there_are_enough_and_they_are_old() {
        let mut ring = Ring::default();
        for seq in 1..=600 {
            ring.push(&event(seq, i64::try_from(seq).unwrap())).unwrap();
        }
        assert_eq!(
            ring.resume(Some(0), 600).kind,
            ResumeKind::Ok,
            "all younger than 120 s"
        );
        ring.push(&event(601, 600_000)).unwrap();
        let resume = ring.resume(Some(0), 601);
        assert_eq!(resume.missed, Some(Missed { from: 1, to: 89 }));
        assert_eq!(covered(&resume.replay).len(), KEEP_EVENTS);
    }

    #[test]
    fn a_hole_in_what_arrives_becomes_a_gap() {
        let mut ring = Ring::restore(&[event(1, 0), event(2, 0)], 2).unwrap();
        assert!(ring.push(&event(5, 0)).unwrap());
        assert!(!ring.push(&event(5, 0)).unwrap(), "a repeat is dropped");
        let resume = ring.resume(Some(2), 5);
        assert_eq!(resume.missed, Some(Missed { from: 3, to: 4 }));
        assert_eq!(covered(&resume.replay), vec![5]);
    }

    proptest! {
        #[test]
        fn a_resume_names_or_replays_every_event_exactly_once(
            gaps in prop::collection::vec((0_i64..3_000, prop::bool::weighted(0.02)), 1..1_500),
            seen in 0_u64..1_600,
            back in 0_u64..50,
        ) {
            let mut ring = Ring::default();
            let (mut seq, mut at) = (0, 0);
            for (later, hole) in gaps {
                seq += if hole { 3 } else { 1 };
                at += later;
                ring.push(&event(seq, at)).unwrap();
            }
            let live = seq.saturating_sub(back);
            let resume = ring.resume(Some(seen), live);
            if seen > live {
                prop_assert_eq!(resume, Resume::FRESH);
            } else {
                let mut told: Vec<u64> = resume.missed.map(|m| (m.from..=m.to).collect()).unwrap_or_default();
                prop_assert_eq!(resume.kind == ResumeKind::Gap, !told.is_empty());
                told.extend(covered(&resume.replay));
                prop_assert_eq!(told, (seen + 1..=live).collect::<Vec<_>>());
            }
        }
    }
}
