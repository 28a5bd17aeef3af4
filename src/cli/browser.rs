//! Opening the page in the user's browser.

use std::process::Stdio;

use tokio::process::Command;
use tracing::warn;

const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Asks the desktop to open `url`. Without a desktop there is only a warning: the address is in the log.
pub(super) fn open(url: &str) {
    let started = Command::new(OPENER)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        warn!(%error, opener = OPENER, url, "the browser could not be opened");
    }
}
