//! The seam between the edge and everything that knows tokens and users.

use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::domain::{Timestamp, User};

/// Turns a token into a person; one rule for REST and WebSocket.
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// The user whom the token names, created when new, and when the token expires.
    ///
    /// # Errors
    /// `Unauthorized` for a token that cannot be trusted; `Unavailable`, `Timeout` when that cannot be told.
    async fn authenticate(&self, token: &str) -> Result<(User, Timestamp)>;
}
