//! Writing to the two standard streams.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::failure::Failure;
use crate::telemetry::colours;

/// Prints `text` and a line end to standard output. A reader that has seen enough, as in `| head`, is fine.
///
/// # Errors
/// A dependency failure when the output cannot be written, e.g. to a full disk.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::dependency(format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as JSON.
///
/// # Errors
/// See [`print`].
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// Says on standard error why the program ends.
pub(super) fn complain(failure: &Failure) {
    let mut err = io::stderr().lock();
    let (on, off) = if colours(&err) {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    for line in failure.message().lines() {
        // There is nowhere left to say that standard error is gone.
        let _unseen = writeln!(err, "{on}nova:{off} {line}");
    }
}

/// Whether a person looks at standard output.
pub(super) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}
