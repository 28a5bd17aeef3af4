//! Integration tests: one binary, one module per behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed expectation is how a test fails"
)]

mod browser;
mod cli;
mod contract;
mod http;
