//! The `nova` program.

fn main() {}
