//! Decides whether a token can be trusted, and whose it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use nova_actors::domain::{Identity, Timestamp};
use nova_actors::ports::Clock;
use nova_actors::{Error, Kind, Result};
use serde::Deserialize;

use crate::data_dir::KEY_BYTES;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 4_096;
const MAX_SUBJECT: usize = 255;
/// Clocks of issuer and verifier may differ by this much.
const LEEWAY: Duration = Duration::from_secs(30);

/// What a token proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whose it is.
    pub identity: Identity,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    preferred_username: Option<String>,
    name: Option<String>,
    picture: Option<String>,
}

/// Verifies tokens with one key and one algorithm.
#[derive(Clone)]
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
    clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// Accepts HS256 with the development key.
    #[must_use]
    pub fn hs256(key: &[u8; KEY_BYTES], issuer: &str, audience: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            key: DecodingKey::from_secret(key),
            validation: validation(Algorithm::HS256, issuer, audience),
            clock,
        }
    }

    /// Accepts the first of `algorithms` (EdDSA, ES256, RS256) that fits the public key in `pem`.
    ///
    /// # Errors
    /// `Validation` when none does.
    pub fn public_key(
        pem: &[u8],
        algorithms: &[String],
        issuer: &str,
        audience: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let fitting = algorithms.iter().find_map(|name| match name.as_str() {
            "EdDSA" => Some((Algorithm::EdDSA, DecodingKey::from_ed_pem(pem).ok()?)),
            "ES256" => Some((Algorithm::ES256, DecodingKey::from_ec_pem(pem).ok()?)),
            "RS256" => Some((Algorithm::RS256, DecodingKey::from_rsa_pem(pem).ok()?)),
            _ => None,
        });
        let (algorithm, key) = fitting.ok_or_else(|| {
            let expected = format!("a PEM file with a public key for {}", algorithms.join(", "));
            Error::field("auth.keys", expected)
        })?;
        Ok(Self {
            key,
            validation: validation(algorithm, issuer, audience),
            clock,
        })
    }

    /// Whose `token` is, when it can be trusted.
    ///
    /// # Errors
    /// `Unauthorized`; the message says no more than whether the token was good once.
    pub fn verify(&self, token: &str) -> Result<VerifiedToken> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(invalid());
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(refusal)?
            .claims;
        let now = self.clock.now();
        let expires_at = from_seconds(claims.exp);
        if expires_at.plus(LEEWAY) <= now {
            return Err(expired());
        }
        let early = claims
            .nbf
            .is_some_and(|nbf| from_seconds(nbf).minus(LEEWAY) > now);
        if early || !is_subject(&claims.sub) {
            return Err(invalid());
        }
        Ok(VerifiedToken {
            identity: Identity {
                issuer: claims.iss,
                subject: claims.sub,
                preferred_username: claims.preferred_username,
                name: claims.name,
                picture: claims.picture,
            },
            expires_at,
        })
    }
}

/// The keys are not shown.
impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("algorithms", &self.validation.algorithms)
            .finish_non_exhaustive()
    }
}

fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    // Without this a token that lacks the claim would pass.
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Times are compared in `verify`, with the clock that the rest of the program uses.
    validation.validate_exp = false;
    validation
}

/// NumericDate: seconds, possibly with a fraction. Casts saturate, so that the far future stays there.
fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1_000.0) as i64)
}

fn is_subject(sub: &str) -> bool {
    !sub.trim().is_empty() && sub.len() <= MAX_SUBJECT && !sub.chars().any(char::is_control)
}

fn refusal(error: jsonwebtoken::errors::Error) -> Error {
    let answer = match error.kind() {
        ErrorKind::ExpiredSignature => expired(),
        _ => invalid(),
    };
    answer.with_source(error)
}

fn invalid() -> Error {
    Error::new(Kind::Unauthorized, "the access token is not valid")
}

fn expired() -> Error {
    Error::new(Kind::Unauthorized, "the access token has expired")
}

#[cfg(test)]
mod tests;
