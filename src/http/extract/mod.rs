//! What handlers take from a request, with refusals that name the broken part.

mod auth;
mod json;
mod path;
mod query;
mod write;

pub(super) use auth::{Member, Viewer};
pub(super) use json::ValidJson;
pub(super) use path::Id;
pub(super) use query::{Query, clamped};
pub(super) use write::{Trace, Write};
