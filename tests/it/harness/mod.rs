//! Nova seen from outside: the real binary and the same thing in this process, a REST client, people, viewers of rooms, and one way to wait.

mod app;
mod client;
mod log;
mod metrics;
mod person;
mod process;
pub(crate) mod services;
mod viewer;
mod wait;

pub(crate) use app::TestApp;
pub(crate) use client::{Answer, Api, Call};
pub(crate) use log::topic;
pub(crate) use person::Person;
pub(crate) use process::{Home, Launch, Nova};
pub(crate) use viewer::{Event, Heard, Viewer, handshake};
pub(crate) use wait::{PATIENCE, eventually, pace, runs_for};
