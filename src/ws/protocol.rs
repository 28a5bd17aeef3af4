//! What clients say, and the codes with which connections are closed. Pure.

use nova_actors::streams::CloseReason;
use serde_json::{Map, Number, Value};

use super::escapes::half_characters_as_nul;

/// Longest client frame in bytes.
pub(super) const MAX_CLIENT_FRAME: usize = 4_096;
/// Longest key of a chat message, in characters.
const MAX_KEY: usize = 128;

/// Why the server closes; the class tells the client what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseCode {
    Draining,
    Slow,
    NoHeartbeat,
    TokenExpired,
    EpochChanged,
    HistoryLost,
    BadFrame,
    BadToken,
    NoSuchStream,
    Ended,
    FrameTooLarge,
    Flooding,
    Internal,
    OverCapacity,
    NoHello,
}

impl CloseCode {
    /// The number, its text for a metric's label, and the reason in words.
    pub(super) const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Draining => (4001, "4001", "draining"),
            Self::Slow => (4002, "4002", "slow"),
            Self::NoHeartbeat => (4003, "4003", "no heartbeat"),
            Self::TokenExpired => (4004, "4004", "token expired"),
            Self::EpochChanged => (4200, "4200", "epoch changed"),
            Self::HistoryLost => (4201, "4201", "history lost"),
            Self::BadFrame => (4400, "4400", "bad frame"),
            Self::BadToken => (4401, "4401", "bad token"),
            Self::NoSuchStream => (4404, "4404", "no such stream"),
            Self::Ended => (4410, "4410", "ended"),
            Self::FrameTooLarge => (4413, "4413", "frame too large"),
            Self::Flooding => (4429, "4429", "flooding"),
            Self::Internal => (4500, "4500", "internal"),
            Self::OverCapacity => (4503, "4503", "over capacity"),
            Self::NoHello => (4508, "4508", "no hello"),
        }
    }
}

impl From<CloseReason> for CloseCode {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Slow => Self::Slow,
            CloseReason::Ended => Self::Ended,
        }
    }
}

/// First frame of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) id: Option<Number>,
    pub(super) token: Option<String>,
    /// Epoch and newest sequence number that the client has.
    pub(super) resume: Option<(String, u64)>,
}

/// A frame of a known shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientFrame {
    Hello(Hello),
    Chat {
        id: Option<Number>,
        key: Option<String>,
        text: String,
    },
    Beat {
        watching: bool,
    },
    Auth {
        id: Option<Number>,
        token: String,
    },
    Unknown {
        id: Option<Number>,
    },
}

/// Why a text is no frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Not a JSON object: the client does not speak this protocol.
    NotAnObject,
    /// A field is missing or wrong.
    Field { id: Option<Number>, field: &'static str },
}

/// Reads one client frame. Unknown fields are ignored.
pub(super) fn parse(text: &str) -> Result<ClientFrame, Malformed> {
    // Half a character is valid JSON and what a browser makes of a text cut inside an emoji.
    let parsed = serde_json::from_str(text)
        .or_else(|error| half_characters_as_nul(text).map_or(Err(error), |text| serde_json::from_str(&text)));
    let Ok(Value::Object(mut object)) = parsed else {
        return Err(Malformed::NotAnObject);
    };
    let id = match object.remove("id") {
        None | Some(Value::Null) => None,
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Some(id),
        Some(_) => {
            return Err(Malformed::Field {
                id: None,
                field: "id",
            });
        }
    };
    let frame = Fields { object, id };
    match frame.object.get("op").and_then(Value::as_str) {
        Some("hello") => frame.hello(),
        Some("chat") => frame.chat(),
        Some("beat") => frame.beat(),
        Some("auth") => frame.auth(),
        Some(_) => Ok(ClientFrame::Unknown { id: frame.id }),
        None => Err(frame.wrong("op")),
    }
}

struct Fields {
    object: Map<String, Value>,
    id: Option<Number>,
}

impl Fields {
    fn wrong(self, field: &'static str) -> Malformed {
        Malformed::Field { id: self.id, field }
    }

    /// An optional text; `Err` when it is something else.
    fn text(&mut self, field: &'static str) -> Result<Option<String>, ()> {
        match self.object.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(()),
        }
    }

    fn hello(mut self) -> Result<ClientFrame, Malformed> {
        let Ok(token) = self.text("token") else {
            return Err(self.wrong("token"));
        };
        let resume = match self.object.remove("resume") {
            None | Some(Value::Null) => None,
            Some(Value::Object(mut resume)) => {
                match (resume.remove("epoch"), resume.get("seq").and_then(Value::as_u64)) {
                    (Some(Value::String(epoch)), Some(seq)) => Some((epoch, seq)),
                    _ => return Err(self.wrong("resume")),
                }
            }
            Some(_) => return Err(self.wrong("resume")),
        };
        Ok(ClientFrame::Hello(Hello {
            id: self.id,
            token,
            resume,
        }))
    }

    fn chat(mut self) -> Result<ClientFrame, Malformed> {
        let key = match self.text("key") {
            Ok(key) => key,
            Err(()) => return Err(self.wrong("key")),
        };
        let key_fits =
            |key: &String| !key.is_empty() && key.chars().count() <= MAX_KEY && !key.contains('\0');
        if !key.as_ref().is_none_or(key_fits) {
            return Err(self.wrong("key"));
        }
        match self.text("x") {
            Ok(Some(text)) if !text.contains('\0') => Ok(ClientFrame::Chat {
                id: self.id,
                key,
                text,
            }),
            _ => Err(self.wrong("x")),
        }
    }

    fn beat(self) -> Result<ClientFrame, Malformed> {
        match self.object.get("vis") {
            None | Some(Value::Null) => Ok(ClientFrame::Beat { watching: true }),
            Some(Value::Bool(watching)) => Ok(ClientFrame::Beat { watching: *watching }),
            Some(_) => Err(self.wrong("vis")),
        }
    }

    fn auth(mut self) -> Result<ClientFrame, Malformed> {
        match self.text("token") {
            Ok(Some(token)) => Ok(ClientFrame::Auth { id: self.id, token }),
            _ => Err(self.wrong("token")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Option<&'static str> {
        match parse(text) {
            Err(Malformed::Field { field, .. }) => Some(field),
            _ => None,
        }
    }

    #[test]
    fn a_hello_may_leave_out_everything_but_its_op() {
        let bare = Hello {
            id: None,
            token: None,
            resume: None,
        };
        assert_eq!(parse(r#"{"op":"hello"}"#), Ok(ClientFrame::Hello(bare)));
        let full = Hello {
            id: Some(1.into()),
            token: Some(String::new()),
            resume: Some(("e".into(), 41)),
        };
        let text = r#"{"op":"hello","id":1,"token":"","resume":{"epoch":"e","seq":41},"app":"x"}"#;
        assert_eq!(parse(text), Ok(ClientFrame::Hello(full)));
    }

    #[test]
    fn wrong_fields_are_named() {
        for (text, expected) in [
            (r#"{}"#, "op"),
            (r#"{"op":7}"#, "op"),
            (r#"{"op":"hello","id":"x"}"#, "id"),
            (r#"{"op":"hello","id":1.5}"#, "id"),
            (r#"{"op":"hello","token":5}"#, "token"),
            (r#"{"op":"hello","resume":5}"#, "resume"),
            (r#"{"op":"hello","resume":{"epoch":"e"}}"#, "resume"),
            (r#"{"op":"hello","resume":{"epoch":"e","seq":-1}}"#, "resume"),
            (r#"{"op":"chat","id":1}"#, "x"),
            (r#"{"op":"chat","x":["a"]}"#, "x"),
            (r#"{"op":"chat","x":"a\u0000b"}"#, "x"),
            (r#"{"op":"chat","x":"a\ud83d"}"#, "x"),
            (r#"{"op":"chat","x":"a","key":"\uDE00"}"#, "key"),
            (r#"{"op":"chat","x":"a","key":5}"#, "key"),
            (r#"{"op":"chat","x":"a","key":""}"#, "key"),
            (r#"{"op":"beat","vis":"yes"}"#, "vis"),
            (r#"{"op":"auth"}"#, "token"),
        ] {
            assert_eq!(field(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_wrong_field_is_told_with_the_id_of_the_request() {
        assert_eq!(
            parse(r#"{"op":"chat","id":7}"#),
            Err(Malformed::Field {
                id: Some(7.into()),
                field: "x"
            })
        );
    }

    #[test]
    fn what_is_no_object_is_no_frame() {
        let deep = "[".repeat(4_000);
        for text in ["", "7", "\"hello\"", "[]", "null", "{", "{\"op\":}", &deep] {
            assert_eq!(parse(text), Err(Malformed::NotAnObject), "{text}");
        }
    }

    #[test]
    fn an_unknown_op_keeps_its_id() {
        let unknown = ClientFrame::Unknown { id: Some(3.into()) };
        assert_eq!(parse(r#"{"op":"react","id":3}"#), Ok(unknown));
    }
}
