//! `log` frames: sequenced events, each encoded once for every frame and every replay.

use super::{Frame, MAX_FRAME};
use crate::domain::Timestamp;
use crate::domain::room::{RoomEvent, SequencedEvent};
use crate::error::{Error, Result};

/// A frame of sequenced events `first..=last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFrame {
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// The `log` frame.
    pub frame: Frame,
}

/// A sequenced event with its JSON, encoded once for every frame and every replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Its place.
    pub seq: u64,
    /// When it was sequenced.
    pub at: Timestamp,
    /// Whether it is the end of the broadcast.
    pub is_end: bool,
    json: Box<str>,
}

impl EncodedEvent {
    /// Encodes `event`.
    ///
    /// # Errors
    /// `Internal`, never for the events that exist.
    pub fn new(event: &SequencedEvent) -> Result<Self> {
        let json = serde_json::to_string::<RoomEvent>(&event.event)
            .map_err(|e| Error::internal("an event could not be encoded").with_source(e))?;
        Ok(Self {
            seq: event.seq,
            at: event.at,
            is_end: event.event.is_end(),
            json: json.into_boxed_str(),
        })
    }
}

/// Packs consecutive events into as few `log` frames of at most [`MAX_FRAME`] bytes as possible.
pub fn log_frames<'a>(events: impl IntoIterator<Item = &'a EncodedEvent>) -> Vec<LogFrame> {
    // `{"op":"log","seq":[,],"t":,"ev":[]}` with two sequence numbers and a time of up to 20 digits each.
    const ENVELOPE: usize = 100;
    let mut frames = Vec::new();
    let mut pack: Vec<&EncodedEvent> = Vec::new();
    let mut size = ENVELOPE;
    for event in events {
        if !pack.is_empty() && size + event.json.len() + 1 > MAX_FRAME {
            frames.extend(log_frame(&pack));
            pack.clear();
            size = ENVELOPE;
        }
        size += event.json.len() + 1;
        pack.push(event);
    }
    frames.extend(log_frame(&pack));
    frames
}

fn log_frame(pack: &[&EncodedEvent]) -> Option<LogFrame> {
    let (head, tail) = (pack.first()?, pack.last()?);
    let mut text = format!(
        r#"{{"op":"log","seq":[{},{}],"t":{},"ev":["#,
        head.seq,
        tail.seq,
        tail.at.millis()
    );
    for (at, event) in pack.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&event.json);
    }
    text.push_str("]}");
    Some(LogFrame {
        first: head.seq,
        last: tail.seq,
        frame: Frame(text.into()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::room::ChatLine;
    use crate::domain::{MessageId, UserId};

    fn chat(seq: u64, text: &str) -> EncodedEvent {
        EncodedEvent::new(&SequencedEvent {
            seq,
            at: Timestamp::from_millis(1_000 + i64::try_from(seq).unwrap()),
            event: RoomEvent::Chat(ChatLine {
                m: MessageId::new(),
                u: UserId::new(),
                n: "ana".into(),
                x: text.into(),
            }),
        })
        .unwrap()
    }

    fn json(frame: &Frame) -> Value {
        serde_json::from_slice(frame.bytes()).unwrap()
    }

    #[test]
    fn events_of_a_tick_share_one_frame_with_one_entry_per_sequence_number() {
        let events = [chat(71, "a"), chat(72, "\"quoted\"\n"), chat(73, "c")];
        let frames = log_frames(&events);
        assert_eq!(frames.len(), 1);
        let body = json(&frames[0].frame);
        assert_eq!(body["op"], "log");
        assert_eq!(body["seq"], json!([71, 73]));
        assert_eq!(body["t"], 1_073);
        assert_eq!(body["ev"].as_array().unwrap().len(), 3);
        assert_eq!(body["ev"][1][0], "chat");
        assert_eq!(body["ev"][1][1]["x"], "\"quoted\"\n");
    }

    #[test]
    fn nothing_makes_no_frame() {
        assert!(log_frames(&[]).is_empty());
    }

    #[test]
    fn long_ticks_are_split_without_a_hole() {
        let text = "é".repeat(500);
        let events: Vec<_> = (1..=200).map(|seq| chat(seq, &text)).collect();
        let frames = log_frames(&events);
        assert!(frames.len() > 1);
        let mut next = 1;
        for frame in &frames {
            assert!(frame.frame.len() <= MAX_FRAME, "{}", frame.frame.len());
            assert_eq!(frame.first, next);
            let entries = json(&frame.frame)["ev"].as_array().unwrap().len();
            assert_eq!(u64::try_from(entries).unwrap(), frame.last - frame.first + 1);
            next = frame.last + 1;
        }
        assert_eq!(next, 201);
    }
}
