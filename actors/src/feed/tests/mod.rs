//! The feed over fakes of its ports, under a paused clock.

mod freshness;
mod ladder;
mod paging;
mod state;
mod world;
