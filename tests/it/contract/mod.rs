//! Contract suites: one for each port, run over every adapter of it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod analytics;
mod store;
