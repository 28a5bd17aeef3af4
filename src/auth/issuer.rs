//! Tokens for development, signed with the key of the data directory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use nova_actors::ports::Clock;
use nova_actors::{Error, Result};
use serde::Serialize;

use crate::data_dir::KEY_BYTES;

/// How long a development token is good for.
pub const DEV_TOKEN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    preferred_username: &'a str,
    iat: i64,
    exp: i64,
}

/// Signs tokens that the verifier of the same key accepts.
#[derive(Clone)]
pub struct TokenIssuer {
    key: EncodingKey,
    issuer: String,
    audience: String,
    clock: Arc<dyn Clock>,
}

impl TokenIssuer {
    /// Signs with `key`, for the `iss` and `aud` given.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES], issuer: &str, audience: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            key: EncodingKey::from_secret(key),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            clock,
        }
    }

    /// A token for `username`, good for [`DEV_TOKEN_LIFETIME`]. The name is also the subject.
    ///
    /// # Errors
    /// `Validation` when `username` is not a user name.
    pub fn mint(&self, username: &str) -> Result<String> {
        self.mint_for(username, DEV_TOKEN_LIFETIME)
    }

    /// A token that is good for `lifetime`, in whole seconds.
    ///
    /// # Errors
    /// `Validation` when `username` is not a user name.
    pub fn mint_for(&self, username: &str, lifetime: Duration) -> Result<String> {
        if !nova_actors::domain::is_username(username) {
            return Err(Error::field(
                "username",
                "3 to 32 of the characters a-z, 0-9 and _",
            ));
        }
        let now = self.clock.now();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: username,
            preferred_username: username,
            iat: now.millis() / 1_000,
            exp: now.plus(lifetime).millis() / 1_000,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .map_err(|e| Error::internal("a token could not be signed").with_source(e))
    }
}

/// The key is not shown.
impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
