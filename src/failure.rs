//! Why the program ends early: a message for the person at the terminal, and an exit code for scripts.

use std::fmt;
use std::process::ExitCode;

/// Exit codes of the program, after sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command line makes no sense (64).
    Usage,
    /// Something outside the program is missing, taken or broken (69).
    Dependency,
    /// A bug (70).
    Internal,
    /// The configuration is refused (78).
    Config,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Dependency => 69,
            Self::Internal => 70,
            Self::Config => 78,
        }
    }
}

/// The program cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A wrong command line.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A missing, taken or broken dependency.
    #[must_use]
    pub fn dependency(message: impl Into<String>) -> Self {
        Self::new(Exit::Dependency, message)
    }

    /// A bug.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// A refused configuration.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Exit::Config, message)
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// The classification.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The message, one or more lines.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.exit.code())
    }
}

/// An error while starting: what may work later is a dependency's fault, all else is ours.
impl From<nova_actors::Error> for Failure {
    fn from(error: nova_actors::Error) -> Self {
        if error.retryable() {
            Self::dependency(error.to_string())
        } else {
            Self::internal(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unavailable_dependency_is_told_from_a_bug() {
        let away = Failure::from(nova_actors::Error::unavailable("the store"));
        let bug = Failure::from(nova_actors::Error::internal("no such column"));
        assert_eq!((away.exit().code(), bug.exit().code()), (69, 70));
    }
}
