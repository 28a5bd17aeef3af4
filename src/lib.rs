//! Nova: live streams and a social feed as one program of supervised actors.
//!
//! Arrows: `main -> cli -> app -> {config, telemetry, http, ws, adapters} -> nova_actors`. `http` and `ws`
//! see actor handles and domain types only; `adapters` sees ports and domain only.

pub mod adapters;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod data_dir;
pub mod demo;
pub mod embedded;
pub mod failure;
pub mod http;
pub mod shutdown;
pub mod telemetry;
pub mod ws;
