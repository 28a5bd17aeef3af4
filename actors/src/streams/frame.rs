//! Frames that the server sends, encoded once and shared by everyone who gets them.

mod log;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Number;

use crate::domain::{MessageId, Timestamp};
use crate::error::{Error, Result};

pub use log::{EncodedEvent, LogFrame, log_frames};

/// Longest frame that the server sends, in bytes.
pub const MAX_FRAME: usize = 64 * 1_024;

/// The text of one frame. Cloning counts a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    fn encode(op: &'static str, body: &impl Serialize) -> Result<Self> {
        #[derive(Serialize)]
        struct Tagged<'a, T> {
            op: &'static str,
            #[serde(flatten)]
            body: &'a T,
        }
        serde_json::to_vec(&Tagged { op, body })
            .map(|text| Self(text.into()))
            .map_err(|e| Error::internal("a frame could not be encoded").with_source(e))
    }

    /// The UTF-8 text.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty; no frame made here is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a join relates to what the viewer has already seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResumeKind {
    /// Every missed event follows, once.
    Ok,
    /// A range is lost; everything after it follows.
    Gap,
    /// Nothing to go on from.
    Fresh,
}

/// Sequence numbers `from..=to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// First one.
    pub from: u64,
    /// Last one.
    pub to: u64,
}

/// The room as a newcomer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomView {
    /// `live`, or `ended` for a viewer who comes back for the last events.
    pub state: &'static str,
    /// The live stream's title.
    pub title: String,
    /// The live stream's category.
    pub category: String,
    /// Connected viewers.
    pub viewers: u64,
    /// Who may write, and how often.
    pub mode: RoomMode,
}

/// Rules of a room's chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RoomMode {
    /// Seconds between two messages of one viewer; 0 for no slow mode.
    pub slow_s: u32,
    /// Who may write: `all`.
    pub who: &'static str,
}

impl RoomMode {
    /// Everybody may write at any time.
    pub const OPEN: Self = Self {
        slow_s: 0,
        who: "all",
    };
}

/// Limits that the client should keep: `[how many, per how many milliseconds]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Longest client frame in bytes.
    pub frame: usize,
    /// Chat messages.
    pub chat: [u64; 2],
    /// Reactions.
    pub react: [u64; 2],
}

/// Body of `welcome`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Welcome {
    /// The `id` of the `hello`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<Number>,
    /// Names the session in logs.
    pub sid: String,
    /// Names the sequence.
    pub epoch: String,
    /// Newest event that is not sent as live.
    pub seq: u64,
    /// See [`ResumeKind`].
    pub resume: ResumeKind,
    /// What is lost, for a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// Heartbeat in milliseconds.
    pub hb_ms: u64,
    /// See [`Limits`].
    pub lim: Limits,
    /// The room now.
    pub room: RoomView,
}

/// Body of `state`; what it shows is the latest, not a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateBody {
    /// Grows with every state frame of the room on this node, over restarts of its actor.
    pub rev: u64,
    /// Connected viewers.
    pub viewers: u64,
    /// Viewers with a recent beat.
    pub watching: u64,
    /// Different people since the start.
    pub unique: u64,
    /// Reactions since the start, by kind; a kind without any is absent.
    pub rx: BTreeMap<&'static str, u64>,
}

/// Why a request was refused, and what may help.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct ErrBody {
    /// The `id` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<Number>,
    /// Code of the contract, e.g. `rate_limited`.
    pub code: &'static str,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// When the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// Whether the same request may succeed later.
    pub temp: bool,
}

macro_rules! frames {
    ($($(#[$doc:meta])* $name:ident($op:literal, $body:ty);)*) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// `Internal`, never for the bodies that exist.
        pub fn $name(body: &$body) -> Result<Frame> {
            Frame::encode($op, body)
        })*
    };
}

frames! {
    /// Answer to `hello`.
    welcome("welcome", Welcome);
    /// Counts, latest wins.
    state("state", StateBody);
    /// A refused request.
    err("err", ErrBody);
}

/// Events `from..=to` were not sent to this viewer.
///
/// # Errors
/// `Internal`, never in practice.
pub fn skip(missed: Missed, why: &'static str) -> Result<Frame> {
    #[derive(Serialize)]
    struct Body {
        seq: [u64; 2],
        n: u64,
        why: &'static str,
    }
    let body = Body {
        seq: [missed.from, missed.to],
        n: missed.to.saturating_sub(missed.from) + 1,
        why,
    };
    Frame::encode("skip", &body)
}

/// A request was done; for a chat message with its id and place.
///
/// # Errors
/// `Internal`, never in practice.
pub fn ok(re: Option<&Number>, message: Option<(MessageId, u64)>) -> Result<Frame> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        re: Option<&'a Number>,
        #[serde(skip_serializing_if = "Option::is_none")]
        m: Option<MessageId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    }
    let (m, seq) = message.unzip();
    Frame::encode("ok", &Body { re, m, seq })
}

/// Nothing else was sent for a heartbeat.
///
/// # Errors
/// `Internal`, never in practice.
pub fn keepalive(now: Timestamp) -> Result<Frame> {
    #[derive(Serialize)]
    struct Body {
        t: i64,
    }
    Frame::encode("k", &Body { t: now.millis() })
}

/// The token ends soon.
///
/// # Errors
/// `Internal`, never in practice.
pub fn expiring(in_ms: u64) -> Result<Frame> {
    #[derive(Serialize)]
    struct Body {
        in_ms: u64,
    }
    Frame::encode("expiring", &Body { in_ms })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn json(frame: &Frame) -> Value {
        serde_json::from_slice(frame.bytes()).unwrap()
    }

    #[test]
    fn small_frames_have_the_shape_of_the_contract() {
        assert_eq!(
            json(&skip(Missed { from: 90, to: 107 }, "slow").unwrap()),
            json!({"op": "skip", "seq": [90, 107], "n": 18, "why": "slow"})
        );
        let m = MessageId::new();
        assert_eq!(
            json(&ok(Some(&7.into()), Some((m, 74))).unwrap()),
            json!({"op": "ok", "re": 7, "m": m, "seq": 74})
        );
        assert_eq!(
            json(&ok(Some(&9.into()), None).unwrap()),
            json!({"op": "ok", "re": 9})
        );
        let refused = ErrBody {
            re: Some(7.into()),
            code: "rate_limited",
            retry_ms: Some(2_300),
            temp: true,
            ..ErrBody::default()
        };
        assert_eq!(
            json(&err(&refused).unwrap()),
            json!({"op": "err", "re": 7, "code": "rate_limited", "retry_ms": 2300, "temp": true})
        );
        assert_eq!(
            json(&keepalive(Timestamp::from_millis(5)).unwrap()),
            json!({"op": "k", "t": 5})
        );
    }
}
