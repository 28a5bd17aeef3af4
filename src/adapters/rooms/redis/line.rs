//! One event as Redis has it: in a room's history, beside a client's key, and on the room's channel.
//!
//! Sequence number, time in milliseconds, epoch and event, with line breaks between them. The event is JSON, so
//! it has no line break itself; it is missing in the note which says that a sequence begins.

use nova_actors::domain::Timestamp;
use nova_actors::domain::room::SequencedEvent;
use nova_actors::{Error, Result};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) epoch: String,
    pub(super) content: Content,
}

/// What a line says about its epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// An event.
    Event(SequencedEvent),
    /// The sequence goes on after this number.
    Begins(u64),
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// `Internal`: someone else writes to the room.
    pub(super) fn read(text: &str) -> Result<Self> {
        let unreadable = || Error::internal("a room event in redis cannot be read");
        let (seq, rest) = text.split_once('\n').ok_or_else(unreadable)?;
        let (at, rest) = rest.split_once('\n').ok_or_else(unreadable)?;
        let (epoch, event) = rest.rsplit_once('\n').ok_or_else(unreadable)?;
        let seq = seq.parse().map_err(|e| unreadable().with_source(e))?;
        let at: i64 = at.parse().map_err(|e| unreadable().with_source(e))?;
        let content = if event.is_empty() {
            Content::Begins(seq)
        } else {
            Content::Event(SequencedEvent {
                seq,
                at: Timestamp::from_millis(at),
                event: serde_json::from_str(event).map_err(|e| unreadable().with_source(e))?,
            })
        };
        Ok(Self {
            epoch: epoch.to_owned(),
            content,
        })
    }

    /// The event in a line that must hold one.
    pub(super) fn event(text: &str) -> Result<SequencedEvent> {
        match Self::read(text)?.content {
            Content::Event(event) => Ok(event),
            Content::Begins(_) => Err(Error::internal("a room event in redis is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use nova_actors::domain::room::RoomEvent;

    use super::*;

    #[test]
    fn a_line_is_read_whatever_is_in_the_epoch() {
        let event = RoomEvent::ended("ended");
        let text = format!("7\n1700\ne\n1\n{}", serde_json::to_string(&event).unwrap());
        let line = Line::read(&text).unwrap();
        assert_eq!(line.epoch, "e\n1");
        let at = Timestamp::from_millis(1_700);
        assert_eq!(line.content, Content::Event(SequencedEvent { seq: 7, at, event }));
        let note = Line::read("7\n1700\ne1\n").unwrap();
        assert_eq!(note.content, Content::Begins(7));
        assert!(Line::event("7\n1700\ne1\n").is_err());
    }

    #[test]
    fn what_someone_else_wrote_is_refused() {
        for text in [
            "",
            "7",
            "7\n1",
            "x\n1\ne\n",
            "7\nx\ne\n",
            "7\n1\ne\n{}",
            "-1\n1\ne\n",
        ] {
            assert!(Line::read(text).is_err(), "{text:?}");
        }
    }
}
