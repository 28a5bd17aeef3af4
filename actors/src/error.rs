//! The one error type from store to HTTP: classified where it arises, mapped to a status once, at the edge.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::StreamId;

/// Result of everything that can fail in Nova.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms that a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The input breaks a rule; each field says which.
    Validation(Vec<FieldError>),
    /// No identity, or one that cannot be trusted.
    Unauthorized,
    /// A known identity that may not do this.
    Forbidden,
    /// The named thing does not exist (or the caller may not know that it does).
    NotFound,
    /// The creator already has this live stream.
    AlreadyLive(StreamId),
    /// The live stream has ended; it cannot be changed any more.
    StreamEnded,
    /// The idempotency key was used with another body.
    IdempotencyConflict,
    /// A request with the same idempotency key is still running.
    IdempotencyInFlight,
    /// The cursor was altered, or belongs to someone else.
    CursorInvalid,
    /// The cursor's snapshot is gone.
    CursorExpired,
    /// No ranker of that name.
    UnknownRanker,
    /// The caller's own rate is too high; try again after this long.
    RateLimited(Duration),
    /// A bound inside Nova was reached; nothing was done.
    Overloaded,
    /// A dependency did not answer or is being restarted; the same call may succeed later.
    Unavailable,
    /// The deadline passed. Whether the work was done is unknown.
    Timeout,
    /// A newer owner has taken over this partition; the work was not done.
    Fenced,
    /// A bug or a broken invariant.
    Internal,
}

/// One field that was refused, and what would have been accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field in the request, e.g. `title` or `events[3].post_id`.
    pub field: Cow<'static, str>,
    /// What was expected there.
    pub expected: Cow<'static, str>,
}

/// A classified error with a message that is safe to show and a cause that is only logged.
///
/// Cloning is cheap: one failed batch answers every waiter of a loader with the same error.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` may be shown to the caller.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Attaches the cause, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// A single refused field.
    pub fn field(field: impl Into<Cow<'static, str>>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::fields(vec![FieldError {
            field: field.into(),
            expected: expected.into(),
        }])
    }

    /// Several refused fields.
    #[must_use]
    pub fn fields(fields: Vec<FieldError>) -> Self {
        Self::new(Kind::Validation(fields), "the request has invalid fields")
    }

    /// `what` does not exist.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(Kind::NotFound, format!("{what} not found"))
    }

    /// `dependency` did not answer.
    #[must_use]
    pub fn unavailable(dependency: &'static str) -> Self {
        Self::new(Kind::Unavailable, format!("{dependency} is not available"))
    }

    /// A broken invariant; the message is not shown to callers.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The classification.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The message for the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same call may succeed later without a change by the caller.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unavailable
                | Kind::Timeout
                | Kind::Overloaded
                | Kind::RateLimited(_)
                | Kind::IdempotencyInFlight
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Kind::Validation(fields) = &self.kind {
            for field in fields {
                write!(f, "; {}: expected {}", field.field, field.expected)?;
            }
        }
        let mut cause = self.source.as_deref().map(|s| s as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}
