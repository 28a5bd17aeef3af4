//! The demo world: named people with posts, follows, likes and live streams, so that a first start shows
//! something true, and a chat that keeps its rooms alive.

mod chat;
mod people;
mod posts;
mod progress;
mod seed;
mod talker;

pub use chat::{DemoChat, DemoLine, DemoRoom, Speaker};
pub use progress::Progress;
pub use seed::{Stores, World, seed};
pub use talker::{Talker, TalkerArgs};
