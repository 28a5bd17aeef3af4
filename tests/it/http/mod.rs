//! The HTTP layer over real actors and embedded stores, without sockets where none are needed.

mod api;
mod edge;
mod limits;
mod listeners;
mod openapi;
mod refusals;
