//! What travels through the event log: records with their headers, and where they landed.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{EventId, Timestamp};

/// Version of every value that this build writes.
pub const SCHEMA_VERSION: u16 = 1;

/// W3C trace context, `00-<trace>-<span>-<flags>`, carried from the request to the last consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceParent(String);

impl TraceParent {
    /// Accepts a well-formed version-00 `traceparent` with non-zero ids.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let lengths = [2, 32, 16, 2];
        for (at, length) in lengths.into_iter().enumerate() {
            let part = parts.next()?;
            let hex = part.len() == length
                && part
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            let zero_id = (at == 1 || at == 2) && part.bytes().all(|b| b == b'0');
            if !hex || zero_id || (at == 0 && part != "00") {
                return None;
            }
        }
        parts.next().is_none().then(|| Self(text.to_owned()))
    }

    /// Starts a new, sampled trace.
    #[must_use]
    pub fn root() -> Self {
        let trace: u128 = rand::random::<u128>() | 1;
        let span: u64 = rand::random::<u64>() | 1;
        Self(format!("00-{trace:032x}-{span:016x}-01"))
    }

    /// The same trace, one span further down.
    #[must_use]
    pub fn child(&self) -> Self {
        let span: u64 = rand::random::<u64>() | 1;
        let trace = self.trace_id();
        let flags = self.0.rsplit('-').next().unwrap_or("01");
        Self(format!("00-{trace}-{span:016x}-{flags}"))
    }

    /// The 32 hexadecimal digits that name the trace.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }

    /// The header's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The headers that every record carries, from the first row on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// Stable over every retry; consumers de-duplicate by it.
    pub event_id: EventId,
    /// E.g. `stream.started` or `cdc.posts`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The request that caused the record.
    pub traceparent: TraceParent,
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u16,
}

impl Headers {
    /// Headers of a new event.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, traceparent: TraceParent) -> Self {
        Self {
            event_id: EventId::new(),
            kind: kind.into(),
            traceparent,
            schema_version: SCHEMA_VERSION,
        }
    }
}

/// A record on its way into the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Topic name as in the contract's schema, e.g. `streams`.
    pub topic: Cow<'static, str>,
    /// Records of one key keep their order.
    pub key: Bytes,
    /// JSON; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// See [`Headers`].
    pub headers: Headers,
    /// When it happened.
    pub at: Timestamp,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Partition, from 0.
    pub partition: u16,
    /// Offset within the partition, from 0, without gaps while nothing is trimmed.
    pub offset: u64,
}

/// A record read back from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Where it is.
    pub position: Position,
    /// What it is.
    pub record: Record,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_traceparents_are_taken() {
        assert!(TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(TraceParent::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let root = TraceParent::root();
        let child = root.child();
        assert_eq!(root.trace_id(), child.trace_id());
        assert_ne!(root, child);
        assert!(TraceParent::parse(child.as_str()).is_some());
    }
}
