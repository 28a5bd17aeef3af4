//! People as the edge sees them: who a token belongs to, and profiles.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::domain::{Identity, Profile, User, UserId};
use crate::error::{Error, Result};
use crate::loader::UserLoader;
use crate::ports::Clock;
use crate::ports::store::UserDirectory;

/// Identities remembered on this node.
const REMEMBERED: u64 = 100_000;
/// How long an identity is remembered; a changed profile shows after this at the latest.
const REMEMBER_FOR: Duration = Duration::from_secs(60);

/// A way to users. Tokens are checked on every request, so known identities are remembered in memory; with
/// the store down they still are.
#[derive(Clone)]
pub struct UsersHandle {
    directory: Arc<dyn UserDirectory>,
    loader: UserLoader,
    clock: Arc<dyn Clock>,
    known: Cache<Identity, User>,
}

impl std::fmt::Debug for UsersHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsersHandle")
            .field("known", &self.known.entry_count())
            .finish_non_exhaustive()
    }
}

impl UsersHandle {
    /// Reads through `loader`, creates through `directory`.
    #[must_use]
    pub fn new(directory: Arc<dyn UserDirectory>, loader: UserLoader, clock: Arc<dyn Clock>) -> Self {
        let known = Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_live(REMEMBER_FOR)
            .build();
        Self {
            directory,
            loader,
            clock,
            known,
        }
    }

    /// The user whom a verified token names; the first token of a subject creates him.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn identify(&self, identity: &Identity) -> Result<User> {
        if let Some(user) = self.known.get(identity) {
            return Ok(user);
        }
        let user = self.directory.ensure(identity, self.clock.now()).await?;
        self.known.insert(identity.clone(), user.clone());
        Ok(user)
    }

    /// A user by id.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn get(&self, id: UserId) -> Result<Option<User>> {
        self.loader.load(id).await
    }

    /// A user with follower counts and the running live stream.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn profile(&self, id: UserId) -> Result<Profile> {
        self.directory
            .profile(id)
            .await?
            .ok_or_else(|| Error::not_found("user"))
    }
}
