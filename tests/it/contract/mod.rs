//! Contract suites: one for each port, run over every adapter of it.

mod store;
