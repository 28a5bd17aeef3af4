//! The three lanes of one viewer. Pure: time comes in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::streams::frame::{Frame, LogFrame, Missed};

/// Most frames in the log lane.
pub(super) const LOG_FRAMES: usize = 256;
/// Most bytes in the log lane, unless the newest tick alone is longer. All viewers share the frames, so this
/// costs no memory for each; it is what a busy small room sends while a healthy connection waits a tenth of a
/// second for a processor.
pub(super) const LOG_BYTES: usize = 256 * 1_024;
/// Most frames in the control lane.
pub(super) const CONTROL_FRAMES: usize = 16;
/// A viewer that was skipped this often [`SKIP_WINDOW`] is too slow.
const SKIPS: usize = 3;
const SKIP_WINDOW: Duration = Duration::from_secs(30);

/// Why nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The viewer is to be closed, after everything before was written.
    Closed(CloseReason),
    /// The room's side is gone, without a word: join again.
    Lost,
}

/// Why a room closes a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The viewer reads too slowly.
    Slow,
    /// The broadcast has ended.
    Ended,
}

/// Something of the log lane, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// Events.
    Frame(LogFrame),
    /// Events that were shed.
    Skip(Missed),
}

/// Everything that was queued, in the order in which it is to be written: control, log, state.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Answers and notices.
    pub control: Vec<Frame>,
    /// Sequenced events, each once or named in a skip.
    pub log: Vec<LogItem>,
    /// The latest state.
    pub state: Option<Frame>,
    /// Nothing comes after this.
    pub end: Option<End>,
}

impl Taken {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.log.is_empty() && self.state.is_none() && self.end.is_none()
    }
}

/// Log (bounded, sheds its oldest), state (latest wins) and control (bounded).
#[derive(Debug, Default)]
pub(super) struct Lanes {
    skipped: Option<Missed>,
    log: VecDeque<LogFrame>,
    log_bytes: usize,
    state: Option<Frame>,
    control: VecDeque<Frame>,
    skips: VecDeque<Instant>,
    end: Option<End>,
}

impl Lanes {
    /// Queues the events of one tick. Older ones that no longer fit beside them are shed, oldest first, and
    /// named in one skip; answers how many events that cost. A tick alone always fits, however long: a viewer
    /// that had taken everything before has done nothing wrong.
    pub(super) fn push_log(&mut self, tick: &[LogFrame], now: Instant) -> u64 {
        if self.end.is_some() {
            return 0;
        }
        self.log_bytes += tick.iter().map(|frame| frame.frame.len()).sum::<usize>();
        self.log.extend(tick.iter().cloned());
        let mut shed = 0;
        while self.log.len() > tick.len() && (self.log.len() > LOG_FRAMES || self.log_bytes > LOG_BYTES) {
            shed += self.shed_oldest(now);
        }
        shed
    }

    /// Names events that this viewer will not get.
    pub(super) fn push_skip(&mut self, missed: Missed, now: Instant) {
        if self.end.is_some() {
            return;
        }
        while let Some(frame) = self.log.pop_front() {
            self.log_bytes -= frame.frame.len();
            self.note_skip(frame.first, frame.last, now);
        }
        self.note_skip(missed.from, missed.to, now);
    }

    /// Replaces the state.
    pub(super) fn push_state(&mut self, frame: Frame) {
        if self.end.is_none() {
            self.state = Some(frame);
        }
    }

    /// Queues an answer or a notice, even when the room's side is lost: it comes from the connection. A viewer
    /// that lets these pile up is too slow.
    pub(super) fn push_control(&mut self, frame: Frame) {
        if matches!(self.end, Some(End::Closed(_))) {
            return;
        }
        if self.control.len() == CONTROL_FRAMES {
            self.end = Some(End::Closed(CloseReason::Slow));
        } else {
            self.control.push_back(frame);
        }
    }

    /// Ends the lanes: what is queued is still given out, nothing more is taken. The first end stands.
    pub(super) fn close(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> Taken {
        self.log_bytes = 0;
        let skipped = self.skipped.take().map(LogItem::Skip);
        let frames = std::mem::take(&mut self.log);
        Taken {
            control: std::mem::take(&mut self.control).into(),
            log: skipped
                .into_iter()
                .chain(frames.into_iter().map(LogItem::Frame))
                .collect(),
            state: self.state.take(),
            end: self.end,
        }
    }

    fn shed_oldest(&mut self, now: Instant) -> u64 {
        let Some(frame) = self.log.pop_front() else {
            return 0;
        };
        self.log_bytes -= frame.frame.len();
        self.note_skip(frame.first, frame.last, now);
        frame.last.saturating_sub(frame.first) + 1
    }

    /// Shedding goes on from the front, so the ranges of one skip always meet.
    fn note_skip(&mut self, from: u64, to: u64, now: Instant) {
        if let Some(skipped) = &mut self.skipped {
            skipped.to = to;
            return;
        }
        self.skipped = Some(Missed { from, to });
        while self
            .skips
            .front()
            .is_some_and(|at| now.duration_since(*at) > SKIP_WINDOW)
        {
            self.skips.pop_front();
        }
        self.skips.push_back(now);
        if self.skips.len() >= SKIPS {
            self.end = Some(End::Closed(CloseReason::Slow));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::room::{RoomEvent, RoomStatus, SequencedEvent};
    use crate::streams::frame::{EncodedEvent, keepalive, log_frames};

    fn frame(first: u64, last: u64, padding: usize) -> LogFrame {
        let events: Vec<_> = (first..=last)
            .map(|seq| {
                EncodedEvent::new(&SequencedEvent {
                    seq,
                    at: Timestamp::default(),
                    event: RoomEvent::Status(RoomStatus {
                        state: "x".repeat(padding),
                        reason: None,
                    }),
                })
                .unwrap()
            })
            .collect();
        log_frames(&events).remove(0)
    }

    fn tick(ms: i64) -> Frame {
        keepalive(Timestamp::from_millis(ms)).unwrap()
    }

    #[test]
    fn state_keeps_only_the_latest() {
        let mut lanes = Lanes::default();
        lanes.push_state(tick(1));
        lanes.push_state(tick(2));
        assert_eq!(lanes.take().state, Some(tick(2)));
        assert!(lanes.take().is_empty());
    }

    #[test]
    fn too_many_frames_leave_one_skip_in_place_of_the_oldest() {
        let mut lanes = Lanes::default();
        let now = Instant::now();
        for seq in 1..=300 {
            lanes.push_log(&[frame(seq, seq, 1)], now);
        }
        let taken = lanes.take();
        assert_eq!(taken.log[0], LogItem::Skip(Missed { from: 1, to: 44 }));
        assert_eq!(taken.log.len(), 1 + LOG_FRAMES);
        assert_eq!(taken.end, None);
    }

    #[test]
    fn a_long_tick_costs_a_viewer_nothing_who_had_taken_everything() {
        let mut lanes = Lanes::default();
        let now = Instant::now();
        let tick: Vec<_> = (1..=5).map(|seq| frame(seq, seq, LOG_BYTES / 2)).collect();
        assert_eq!(lanes.push_log(&tick, now), 0);
        assert_eq!(lanes.take().log.len(), 5);
    }

    #[test]
    fn a_burst_of_the_longest_messages_waits_a_tenth_of_a_second_for_a_healthy_viewer() {
        let mut lanes = Lanes::default();
        let now = Instant::now();
        let shed: u64 = (0..10)
            .map(|tick| lanes.push_log(&[frame(tick * 12 + 1, tick * 12 + 12, 2_000)], now))
            .sum();
        assert_eq!(shed, 0);
        assert_eq!(lanes.take().log.len(), 10);
    }

    #[test]
    fn the_third_skip_in_half_a_minute_closes_as_slow() {
        let mut lanes = Lanes::default();
        let mut now = Instant::now();
        let mut seq = 1;
        for round in 1..=3 {
            for _ in 0..3 {
                lanes.push_log(&[frame(seq, seq, LOG_BYTES / 2)], now);
                seq += 1;
            }
            let end = lanes.take().end;
            assert_eq!(end.is_some(), round == 3, "round {round}");
            now += Duration::from_secs(10);
        }
    }

    #[test]
    fn skips_far_apart_are_forgiven() {
        let mut lanes = Lanes::default();
        let mut now = Instant::now();
        for seq in 1..=30 {
            lanes.push_log(&[frame(seq, seq, LOG_BYTES / 2)], now);
            if seq % 3 == 0 {
                assert_eq!(lanes.take().end, None);
            }
            now += Duration::from_secs(11);
        }
    }

    #[test]
    fn control_that_piles_up_closes_as_slow() {
        let mut lanes = Lanes::default();
        for _ in 0..=CONTROL_FRAMES {
            lanes.push_control(tick(1));
        }
        let taken = lanes.take();
        assert_eq!(taken.control.len(), CONTROL_FRAMES);
        assert_eq!(taken.end, Some(End::Closed(CloseReason::Slow)));
    }

    #[test]
    fn an_answer_still_goes_out_when_the_room_is_lost() {
        let mut lanes = Lanes::default();
        lanes.close(End::Lost);
        lanes.push_control(tick(1));
        let taken = lanes.take();
        assert_eq!((taken.control, taken.end), (vec![tick(1)], Some(End::Lost)));
    }

    #[test]
    fn what_was_queued_before_the_end_is_still_given_out_and_nothing_after() {
        let mut lanes = Lanes::default();
        let now = Instant::now();
        lanes.push_log(&[frame(1, 1, 1)], now);
        lanes.close(End::Closed(CloseReason::Ended));
        lanes.close(End::Lost);
        lanes.push_log(&[frame(2, 2, 1)], now);
        let taken = lanes.take();
        assert_eq!(taken.log, vec![LogItem::Frame(frame(1, 1, 1))]);
        assert_eq!(taken.end, Some(End::Closed(CloseReason::Ended)));
    }

    proptest! {
        #[test]
        fn every_event_comes_out_once_or_is_named_in_a_skip(
            steps in prop::collection::vec((1_u64..5, 0_usize..20_000, prop::bool::weighted(0.05)), 1..400)
        ) {
            let mut lanes = Lanes::default();
            let mut now = Instant::now();
            let (mut seq, mut next) = (1, 1);
            let mut check = |taken: Taken| {
                for item in taken.log {
                    let (first, last) = match item {
                        LogItem::Frame(frame) => (frame.first, frame.last),
                        LogItem::Skip(missed) => (missed.from, missed.to),
                    };
                    assert_eq!(first, next);
                    next = last + 1;
                }
                next
            };
            for (events, padding, take) in steps {
                now += Duration::from_secs(31);
                let frame = frame(seq, seq + events - 1, padding / usize::try_from(events).unwrap());
                seq += events;
                lanes.push_log(&[frame], now);
                prop_assert!(lanes.log.len() <= LOG_FRAMES);
                prop_assert!(lanes.log_bytes <= LOG_BYTES || lanes.log.len() == 1);
                if take {
                    prop_assert_eq!(check(lanes.take()), seq);
                }
            }
            prop_assert_eq!(check(lanes.take()), seq);
        }
    }
}
