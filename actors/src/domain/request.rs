//! What a write carries besides its content: the trace it belongs to and, when given, its idempotency key.

use super::{TraceParent, UserId};

/// A client's `Idempotency-Key` in its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Whose key.
    pub user: UserId,
    /// Which route, e.g. `POST /streams`.
    pub route: &'static str,
    /// The key, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of the body; another body with the same key is a conflict.
    pub fingerprint: [u8; 32],
}

/// Context of one write.
#[derive(Debug, Clone)]
pub struct WriteContext {
    /// Written into the headers of every record that the write causes.
    pub traceparent: TraceParent,
    /// Makes the write repeatable.
    pub idempotency: Option<IdempotencyKey>,
}

impl WriteContext {
    /// A write that no client can repeat: background work and tests.
    #[must_use]
    pub fn untracked() -> Self {
        Self {
            traceparent: TraceParent::root(),
            idempotency: None,
        }
    }
}

/// Outcome of a write that may carry an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<T> {
    /// Done now.
    Fresh(T),
    /// Was done before under the same key; this is what was answered then.
    Replayed(T),
}

impl<T> Written<T> {
    /// The value, however it came about.
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(value) | Self::Replayed(value) => value,
        }
    }
}
