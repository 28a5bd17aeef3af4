//! Adapters of the analytics port.
