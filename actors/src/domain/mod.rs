//! The words of Nova: plain types and rules, without I/O, clocks or actors.

pub mod change;
pub mod feed;
mod ids;
mod post;
pub mod record;
mod request;
pub mod room;
mod stream;
mod time;
mod user;
pub mod validate;

pub use ids::{EventId, MessageId, PostId, StreamId, UserId};
pub use post::{NewPost, Post, PostView};
pub use record::TraceParent;
pub use request::{IdempotencyKey, WriteContext, Written};
pub use stream::{EndedReason, LivePage, LiveStream, NewStream, StreamPatch, ViewerTotals};
pub use time::Timestamp;
pub use user::{Identity, Profile, UNKNOWN_USERNAME, User, is_username, username_from};
