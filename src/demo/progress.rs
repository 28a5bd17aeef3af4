//! How far the seeding is, for people at a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error when that is a terminal, otherwise nothing.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    visible: bool,
}

impl Progress {
    /// A bar on standard error, when that is a terminal.
    #[must_use]
    pub fn on_terminal() -> Self {
        Self {
            bar: Self::hidden().bar,
            visible: std::io::stderr().is_terminal(),
        }
    }

    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            visible: false,
        }
    }

    /// Shows the bar: there are `steps` to do.
    pub(super) fn begin(&self, steps: usize) {
        self.bar.set_length(steps as u64);
        self.bar.set_message("seeding the demo world");
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}") {
            self.bar.set_style(style.progress_chars("=> "));
        }
        if self.visible {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub(super) fn step(&self) {
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
