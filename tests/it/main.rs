//! Integration tests: one binary, one module per behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed expectation is how a test fails"
)]

mod bad_input;
mod browser;
mod cli;
mod contract;
mod http;
mod crash;
mod dev_start;
mod feed_flow;
mod harness;
mod room;
mod streams_api;
