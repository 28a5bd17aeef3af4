//! The thin HTTP layer: it extracts, calls one handle, and maps the outcome.
//!
//! Sees actor handles and domain types only. [`public_router`] and [`internal_router`] are what is served,
//! [`Server`] serves it, [`EdgeState`] is what it works with.

mod cursor;
mod docs;
mod extract;
mod health;
mod internal;
mod middleware;
mod openapi;
pub mod page;
mod problem;
mod router;
mod server;
mod state;
mod v1;

pub use cursor::CursorKey;
pub use health::{CheckBody, CheckStatus, HealthBody, HealthStatus, Now, Phase, Readiness};
pub use internal::internal_router;
pub use openapi::openapi;
pub use problem::{Code, FieldProblem, PROBLEM_JSON, Problem, ProblemDocument};
pub use router::public_router;
pub use server::{BindError, Server, ServerSettings};
pub use state::{DevToken, DevTokens, Edge, EdgeSettings, EdgeState};
