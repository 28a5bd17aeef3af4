//! Tokens meet people: whom a token names, and development tokens for names.

use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::domain::{Timestamp, User};
use nova_actors::users::UsersHandle;

use crate::auth::{Authenticate, DEV_TOKEN_LIFETIME, TokenIssuer, TokenVerifier};
use crate::http::{DevToken, DevTokens};

/// Verifies tokens and finds, or creates, the user.
pub(super) struct Gatekeeper {
    verifier: TokenVerifier,
    users: UsersHandle,
}

impl Gatekeeper {
    pub(super) const fn new(verifier: TokenVerifier, users: UsersHandle) -> Self {
        Self { verifier, users }
    }
}

#[async_trait]
impl Authenticate for Gatekeeper {
    async fn authenticate(&self, token: &str) -> Result<(User, Timestamp)> {
        let verified = self.verifier.verify(token)?;
        let user = self.users.identify(&verified.identity).await?;
        Ok((user, verified.expires_at))
    }
}

/// Hands out tokens to anybody; exists with the development key only.
pub(super) struct DevIssuer {
    issuer: TokenIssuer,
    verifier: TokenVerifier,
    users: UsersHandle,
}

impl DevIssuer {
    pub(super) const fn new(issuer: TokenIssuer, verifier: TokenVerifier, users: UsersHandle) -> Self {
        Self {
            issuer,
            verifier,
            users,
        }
    }
}

#[async_trait]
impl DevTokens for DevIssuer {
    async fn issue(&self, username: &str) -> Result<DevToken> {
        let access_token = self.issuer.mint(username)?;
        let verified = self.verifier.verify(&access_token)?;
        let user = self.users.identify(&verified.identity).await?;
        Ok(DevToken {
            access_token,
            user_id: user.id,
            expires_in: DEV_TOKEN_LIFETIME,
        })
    }
}
