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
mod crash;
mod dev_start;
mod feed_flow;
mod harness;
mod http;
mod list_queries;
mod monitoring;
mod postgres;
mod redis;
mod room;
mod streams_api;
mod supervision;
