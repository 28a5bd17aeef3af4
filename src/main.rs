//! The `nova` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    nova::cli::run(std::env::args_os())
}
