//! What the edge works with: handles to the actors, its own settings, and two seams to token handling.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderValue;
use nova_actors::Result;
use nova_actors::domain::UserId;
use nova_actors::feed::FeedHandle;
use nova_actors::social::SocialHandle;
use nova_actors::streams::StreamsHandle;
use nova_actors::users::UsersHandle;
use tokio::sync::Semaphore;

use crate::auth::Authenticate;

use super::cursor::CursorKey;
use super::health::Readiness;

/// Hands out development tokens.
#[async_trait]
pub trait DevTokens: Send + Sync {
    /// A token for the user of that name, who is created when new.
    ///
    /// # Errors
    /// `Validation` when it is not a user name.
    async fn issue(&self, username: &str) -> Result<DevToken>;
}

/// A development token.
#[derive(Debug, Clone)]
pub struct DevToken {
    /// The token.
    pub access_token: String,
    /// Whose it is.
    pub user_id: UserId,
    /// How long it is good for.
    pub expires_in: Duration,
}

/// Limits and rules of the edge.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// Categories that a live stream may have.
    pub categories: Vec<String>,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// Time for a request's body to arrive.
    pub body_deadline: Duration,
    /// Time for a request to be answered, once its body is there.
    pub request_deadline: Duration,
    /// Requests in work at one time; more are refused.
    pub max_in_flight: usize,
    /// Foreign origins whose pages may call.
    pub allowed_origins: Vec<HeaderValue>,
}

impl EdgeSettings {
    /// The contract's limits, for these categories.
    #[must_use]
    pub fn with_categories(categories: Vec<String>) -> Self {
        Self {
            categories,
            body_limit: 256 * 1024,
            body_deadline: Duration::from_secs(30),
            request_deadline: Duration::from_secs(10),
            max_in_flight: 1_024,
            allowed_origins: Vec::new(),
        }
    }
}

/// The parts of an [`EdgeState`].
pub struct Edge {
    /// Live streams.
    pub streams: StreamsHandle,
    /// People.
    pub users: UsersHandle,
    /// Posts, likes and follows.
    pub social: SocialHandle,
    /// Feeds.
    pub feed: FeedHandle,
    /// Verifies tokens.
    pub authenticator: Arc<dyn Authenticate>,
    /// Hands out tokens; only in development.
    pub dev_tokens: Option<Arc<dyn DevTokens>>,
    /// Signs the cursors of lists.
    pub cursor_key: CursorKey,
    /// What health endpoints say.
    pub readiness: Readiness,
    /// Limits and rules.
    pub settings: EdgeSettings,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// [`Edge`], shared by all requests.
#[derive(Debug, Clone)]
pub struct EdgeState {
    edge: Arc<Edge>,
    in_flight: Arc<Semaphore>,
}

impl EdgeState {
    /// Shares `edge`.
    #[must_use]
    pub fn new(edge: Edge) -> Self {
        let in_flight = Arc::new(Semaphore::new(edge.settings.max_in_flight));
        Self {
            edge: Arc::new(edge),
            in_flight,
        }
    }

    /// One permit for each request in work.
    pub(super) fn in_flight(&self) -> &Semaphore {
        &self.in_flight
    }
}

impl Deref for EdgeState {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.edge
    }
}
