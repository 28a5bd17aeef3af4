//! What a viewer's connection does with a room: join, chat. It leaves by dropping its outbox.

use super::frame::{LogFrame, Missed, ResumeKind, RoomView};
use super::handle::StreamsHandle;
use super::outbox::OutboxWriter;
use super::stream::StreamMsg;
use crate::domain::room::{MAX_CHAT, RoomEvent};
use crate::domain::{MessageId, StreamId, User};
use crate::error::{Error, Result};

/// Why of the `skip` for events that were lost to a viewer while its room restarted.
pub const RESUME_WHY: &str = "lost";

/// A connection that wants into a room.
#[derive(Debug)]
pub struct JoinRequest {
    /// Names the connection. A viewer without a name who joins again under it is still one person.
    pub sid: String,
    /// Who; `None` watches without a name.
    pub viewer: Option<User>,
    /// Epoch and newest sequence number that the viewer has.
    pub resume: Option<(String, u64)>,
    /// Where its frames go.
    pub outbox: OutboxWriter,
}

/// A connection that is in: the replay is to be written first, then what the outbox gives.
#[derive(Debug)]
pub struct Joined {
    /// Names the sequence.
    pub epoch: String,
    /// Newest event that is covered by the replay; later ones come through the outbox.
    pub seq: u64,
    /// How the resume went.
    pub resume: ResumeKind,
    /// The range that is lost, for a gap.
    pub missed: Option<Missed>,
    /// Events that the viewer missed.
    pub replay: Vec<LogFrame>,
    /// The room now.
    pub room: RoomView,
}

/// A chat message to send.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// Who.
    pub viewer: User,
    /// Sending the same key again gives the same answer.
    pub key: Option<String>,
    /// The text, 1 to 500 characters.
    pub text: String,
}

/// A chat message that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The message's id; of a repeated key, that of the first message.
    pub m: MessageId,
    /// Its place in the sequence.
    pub seq: u64,
}

impl StreamsHandle {
    /// Joins a room, starting its actor when this node has none. The viewer is counted until the reading
    /// side of the outbox is dropped.
    ///
    /// # Errors
    /// `NotFound`, `StreamEnded`; `Unavailable`, `Timeout`, `Overloaded` when the room cannot take the viewer
    /// now.
    pub async fn join(&self, id: StreamId, join: JoinRequest) -> Result<Joined> {
        let room = self.room(id).await?;
        let deadline = self.settings().call_deadline;
        room.address
            .call(deadline, |reply| StreamMsg::Join { join, reply })
            .await?
    }

    /// Sends a chat message; answers after it is durable.
    ///
    /// # Errors
    /// `Validation` for a text that is blank, too long or has NUL; `NotFound`, `StreamEnded`; `Unavailable`,
    /// `Timeout`, `Overloaded`: the same key may be sent again.
    pub async fn say(&self, id: StreamId, chat: ChatRequest) -> Result<Said> {
        let length = chat.text.chars().count();
        if chat.text.trim().is_empty() || length > MAX_CHAT || chat.text.contains('\0') {
            return Err(Error::field("x", "1 to 500 characters without NUL"));
        }
        let room = self.room(id).await?;
        let deadline = self.settings().call_deadline;
        let published = room
            .address
            .call(deadline, |reply| StreamMsg::Chat { chat, reply })
            .await??;
        match published.event.event {
            RoomEvent::Chat(line) => Ok(Said {
                m: line.m,
                seq: published.event.seq,
            }),
            _ => Err(Error::internal(
                "the room bus answered a chat message with something else",
            )),
        }
    }
}
