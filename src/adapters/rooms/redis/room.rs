//! One room on this node, without any I/O: who listens, and up to where they were told.

use nova_actors::domain::room::SequencedEvent;
use nova_actors::{Error, Kind, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::line::{Content, Line};

/// Whether the node listens to the room's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// It does not.
    Off,
    /// It was asked to, or to stop; or the connection was lost.
    Unsure,
    /// It does: whatever was published since is announced.
    On,
}

/// What must be done after something was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Then {
    /// Nothing.
    Done,
    /// Something is missing: it must be read from history.
    CatchUp,
}

#[derive(Debug)]
struct Listener {
    id: u64,
    sender: mpsc::Sender<SequencedEvent>,
    /// Knows everything up to here from history; `None`: history is still being read.
    knows: Option<u64>,
}

/// A listener's own end.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) id: u64,
    pub(super) events: mpsc::Receiver<SequencedEvent>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    epoch: String,
    /// Everything up to here was handed out.
    told: u64,
    listeners: Vec<Listener>,
    next_id: u64,
    pub(super) wire: Wire,
    /// Something is missing and history is not being read for it yet.
    pub(super) behind: bool,
    /// History is being read; if `behind` is set meanwhile, once more.
    pub(super) reading: bool,
    used_at: Instant,
}

impl Room {
    pub(super) fn new(epoch: &str, seq: u64, now: Instant) -> Self {
        Self {
            epoch: epoch.to_owned(),
            told: seq,
            listeners: Vec::new(),
            next_id: 0,
            wire: Wire::Off,
            behind: false,
            reading: false,
            used_at: now,
        }
    }

    pub(super) fn is(&self, epoch: &str) -> bool {
        self.epoch == epoch
    }

    /// Everything up to here was handed out.
    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    pub(super) fn has_listeners(&mut self) -> bool {
        self.listeners.retain(|listener| !listener.sender.is_closed());
        !self.listeners.is_empty()
    }

    /// Whether nobody has listened for so long that the room's number need not be remembered.
    pub(super) fn is_idle(&mut self, idle: std::time::Duration, now: Instant) -> bool {
        if self.has_listeners() {
            self.used_at = now;
        }
        now.duration_since(self.used_at) >= idle
    }

    /// A listener comes. `seq` is the number of the room's newest event as Redis just had it.
    pub(super) fn join(
        &mut self,
        epoch: &str,
        seq: u64,
        bounds: (usize, usize),
        now: Instant,
    ) -> Result<Joined> {
        let (subscribers, outbox) = bounds;
        self.used_at = now;
        if !self.is(epoch) {
            self.listeners.clear();
            self.epoch = epoch.to_owned();
            self.told = seq;
        } else if !self.has_listeners() {
            // Nobody was told anything for a while.
            self.told = self.told.max(seq);
        }
        if self.listeners.len() >= subscribers {
            return Err(Error::new(Kind::Overloaded, "too many listeners in this room"));
        }
        let (sender, events) = mpsc::channel(outbox);
        let id = self.next_id;
        self.next_id += 1;
        self.listeners.push(Listener {
            id,
            sender,
            knows: None,
        });
        Ok(Joined { id, events })
    }

    /// The listener has read `ring`: from here on it gets what follows. What came since it joined is moved to
    /// the ring. Answers the number of the newest event that it knows.
    pub(super) fn admit(
        &mut self,
        joined: &mut Joined,
        ring: &mut Vec<SequencedEvent>,
        seq: u64,
    ) -> (u64, Then) {
        let mut newest = ring.last().map_or(seq, |event| event.seq.max(seq));
        let alone = self.listeners.iter().all(|listener| listener.id == joined.id);
        if let Some(listener) = self
            .listeners
            .iter_mut()
            .find(|listener| listener.id == joined.id)
        {
            listener.knows = Some(newest);
        }
        let mut then = Then::Done;
        if alone {
            self.told = self.told.max(newest);
        } else {
            for event in ring.iter() {
                then = self.offer(event);
                if then == Then::CatchUp {
                    break;
                }
            }
        }
        while let Ok(event) = joined.events.try_recv() {
            if event.seq > newest {
                newest = event.seq;
                ring.push(event);
            }
        }
        (newest, then)
    }

    /// Something came over the channel.
    pub(super) fn hear(&mut self, line: &Line) -> Then {
        match &line.content {
            Content::Event(event) if self.is(&line.epoch) => {
                if self.listeners.is_empty() {
                    self.told = self.told.max(event.seq);
                }
                self.offer(event)
            }
            // Of an epoch that is over, or of one that has been announced.
            Content::Event(_) => Then::Done,
            Content::Begins(seq) => {
                let back = self.is(&line.epoch) && *seq < self.told;
                if back || !self.is(&line.epoch) {
                    self.close();
                }
                Then::Done
            }
        }
    }

    /// An event from the channel or from history; told only when it is the next.
    pub(super) fn offer(&mut self, event: &SequencedEvent) -> Then {
        if event.seq <= self.told {
            return Then::Done;
        }
        if event.seq > self.told + 1 {
            return Then::CatchUp;
        }
        self.told = event.seq;
        // Never waits: a listener whose outbox is full is dropped, and sees its channel close.
        self.listeners.retain(|listener| {
            listener.knows.is_some_and(|seq| event.seq <= seq)
                || listener.sender.try_send(event.clone()).is_ok()
        });
        Then::Done
    }

    /// Takes over what was read from history. When it is of another epoch, or the events in between are gone, the
    /// listeners are closed.
    pub(super) fn catch_up(&mut self, epoch: Option<&str>, events: &[SequencedEvent]) {
        // A state that is gone begins again at the next publish, which is announced.
        if epoch.is_some_and(|epoch| !self.is(epoch)) {
            self.close();
        }
        for event in events {
            if self.offer(event) == Then::CatchUp {
                self.close();
                self.told = event.seq;
            }
        }
    }

    /// Everyone who listens must subscribe again.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
    }
}

#[cfg(test)]
mod tests {
    use nova_actors::domain::Timestamp;
    use nova_actors::domain::room::RoomEvent;

    use super::*;

    fn event(seq: u64) -> SequencedEvent {
        SequencedEvent {
            seq,
            at: Timestamp::from_millis(0),
            event: RoomEvent::ended("ended"),
        }
    }

    fn line(epoch: &str, seq: u64) -> Line {
        Line {
            epoch: epoch.into(),
            content: Content::Event(event(seq)),
        }
    }

    fn begins(epoch: &str, seq: u64) -> Line {
        Line {
            epoch: epoch.into(),
            content: Content::Begins(seq),
        }
    }

    fn ring(seqs: std::ops::RangeInclusive<u64>) -> Vec<SequencedEvent> {
        seqs.map(event).collect()
    }

    fn room() -> Room {
        Room::new("e1", 0, Instant::now())
    }

    fn join(room: &mut Room, seq: u64) -> Joined {
        room.join("e1", seq, (8, 8), Instant::now()).unwrap()
    }

    fn heard(joined: &mut Joined) -> Vec<u64> {
        std::iter::from_fn(|| joined.events.try_recv().ok())
            .map(|event| event.seq)
            .collect()
    }

    fn is_closed(joined: &Joined) -> bool {
        joined.events.is_closed()
    }

    #[tokio::test]
    async fn what_comes_while_history_is_read_is_neither_lost_nor_repeated() {
        let mut room = room();
        let mut joined = join(&mut room, 2);
        for seq in 3..=5 {
            assert_eq!(room.hear(&line("e1", seq)), Then::Done);
        }
        // History was read after 4 and before 5.
        let mut remembered = ring(1..=4);
        let (seq, then) = room.admit(&mut joined, &mut remembered, 2);
        assert_eq!((seq, then), (5, Then::Done));
        assert_eq!(remembered, ring(1..=5));
        assert_eq!(room.hear(&line("e1", 6)), Then::Done);
        assert_eq!(heard(&mut joined), [6]);
    }

    #[tokio::test]
    async fn history_that_is_ahead_of_the_channel_is_told_to_the_others() {
        let mut room = room();
        let mut first = join(&mut room, 0);
        let _ = room.admit(&mut first, &mut Vec::new(), 0);
        let mut second = join(&mut room, 3);
        let (seq, then) = room.admit(&mut second, &mut ring(1..=3), 3);
        assert_eq!((seq, then), (3, Then::Done));
        for seq in 1..=4 {
            assert_eq!(room.hear(&line("e1", seq)), Then::Done);
        }
        assert_eq!(heard(&mut first), [1, 2, 3, 4]);
        assert_eq!(heard(&mut second), [4]);
    }

    #[tokio::test]
    async fn a_hole_is_filled_from_history_before_anything_else_is_told() {
        let mut room = room();
        let mut joined = join(&mut room, 0);
        let _ = room.admit(&mut joined, &mut Vec::new(), 0);
        assert_eq!(room.hear(&line("e1", 1)), Then::Done);
        assert_eq!(room.hear(&line("e1", 4)), Then::CatchUp);
        room.catch_up(Some("e1"), &ring(2..=4));
        assert_eq!(room.hear(&line("e1", 4)), Then::Done);
        assert_eq!(heard(&mut joined), [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_hole_that_history_cannot_fill_closes_the_listeners() {
        let mut room = room();
        let mut joined = join(&mut room, 0);
        room.catch_up(Some("e1"), &ring(7..=9));
        assert!(is_closed(&joined));
        assert!(heard(&mut joined).is_empty());
        assert_eq!(room.told(), 9);
    }

    #[tokio::test]
    async fn another_epoch_or_a_sequence_that_went_back_closes_the_listeners() {
        for note in [begins("e2", 0), begins("e1", 3)] {
            let mut room = room();
            let joined = join(&mut room, 5);
            assert_eq!(room.hear(&begins("e1", 5)), Then::Done);
            assert_eq!(room.hear(&line("e0", 9)), Then::Done);
            assert!(!is_closed(&joined));
            assert_eq!(room.hear(&note), Then::Done);
            assert!(is_closed(&joined), "{note:?}");
        }
        let mut room = room();
        let joined = join(&mut room, 5);
        room.catch_up(Some("e2"), &[]);
        assert!(is_closed(&joined));
    }

    #[tokio::test]
    async fn a_listener_with_a_full_outbox_is_closed_and_the_others_go_on() {
        let mut room = room();
        let mut slow = join(&mut room, 0);
        let mut quick = join(&mut room, 0);
        for seq in 1..=10 {
            assert_eq!(room.hear(&line("e1", seq)), Then::Done);
            assert_eq!(heard(&mut quick), [seq]);
        }
        assert!(is_closed(&slow) && !is_closed(&quick));
        assert_eq!(heard(&mut slow), (1..=8).collect::<Vec<_>>());
    }
}
