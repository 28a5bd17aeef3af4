//! Adapters of the rooms port.
