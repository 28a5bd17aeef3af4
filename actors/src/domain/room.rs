//! Events of a room: what is sequenced, kept and replayed.

use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{MessageId, StreamId, Timestamp, UserId};

/// Longest chat message, in characters.
pub const MAX_CHAT: usize = 500;

/// A chat message as viewers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatLine {
    /// The message's id.
    pub m: MessageId,
    /// Who wrote it.
    pub u: UserId,
    /// The writer's user name.
    pub n: String,
    /// The text, 1 to 500 characters.
    pub x: String,
}

/// Life cycle of the broadcast, as viewers are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStatus {
    /// `live` or `ended`.
    pub state: String,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// A new title or category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomInfo {
    /// The live stream's title.
    pub title: String,
    /// The live stream's category.
    pub category: String,
}

/// One sequenced event; on the wire a pair of name and body, e.g. `["chat",{…}]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// A chat message.
    Chat(ChatLine),
    /// The broadcast changed state; `ended` is the last event of a room.
    Status(RoomStatus),
    /// Title or category changed.
    Info(RoomInfo),
}

impl RoomEvent {
    /// The end of the broadcast.
    #[must_use]
    pub fn ended(reason: &str) -> Self {
        Self::Status(RoomStatus {
            state: "ended".into(),
            reason: Some(reason.into()),
        })
    }

    /// Whether this is the room's last event.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Status(status) if status.state == "ended")
    }
}

impl Serialize for RoomEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        match self {
            Self::Chat(body) => {
                pair.serialize_element("chat")?;
                pair.serialize_element(body)?;
            }
            Self::Status(body) => {
                pair.serialize_element("status")?;
                pair.serialize_element(body)?;
            }
            Self::Info(body) => {
                pair.serialize_element("info")?;
                pair.serialize_element(body)?;
            }
        }
        pair.end()
    }
}

impl<'de> Deserialize<'de> for RoomEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let (name, body) = <(String, Value)>::deserialize(deserializer)?;
        let event = match name.as_str() {
            "chat" => serde_json::from_value(body).map(Self::Chat),
            "status" => serde_json::from_value(body).map(Self::Status),
            "info" => serde_json::from_value(body).map(Self::Info),
            other => return Err(D::Error::custom(format!("unknown room event {other:?}"))),
        };
        event.map_err(D::Error::custom)
    }
}

/// A room event with its place in the sequence of its epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencedEvent {
    /// 1 for the first event of the epoch, without gaps.
    pub seq: u64,
    /// When it was sequenced.
    pub at: Timestamp,
    /// What happened.
    pub event: RoomEvent,
}

/// A page of a room's chat, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatPage {
    /// The chat events, by ascending sequence number.
    pub messages: Vec<SequencedEvent>,
    /// Sequence number to pass as `before` for the page before this one; `None` at the beginning.
    pub next: Option<u64>,
}

/// Names a room: for a live stream, its id.
pub type RoomId = StreamId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_pairs_of_name_and_body_and_read_back() {
        let events = [
            RoomEvent::Chat(ChatLine {
                m: MessageId::new(),
                u: UserId::new(),
                n: "ana".into(),
                x: "hi \"there\"".into(),
            }),
            RoomEvent::ended("abandoned"),
            RoomEvent::Info(RoomInfo {
                title: "t".into(),
                category: "music".into(),
            }),
        ];
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            assert!(text.starts_with("[\""), "{text}");
            assert_eq!(serde_json::from_str::<RoomEvent>(&text).unwrap(), event);
        }
    }
}
