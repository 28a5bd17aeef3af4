//! Access tokens: what REST and WebSocket accept as proof of identity, and what development hands out.
//!
//! A token is a JWT whose `iss`, `aud`, `exp` and `sub` are all required, signed with an algorithm that is
//! fixed in advance. Nothing in a token chooses how it is verified.

mod issuer;
mod verifier;

use std::sync::Arc;

use async_trait::async_trait;
use nova_actors::Result as Outcome;
use nova_actors::domain::{Timestamp, User};
use nova_actors::ports::Clock;

use crate::config::Auth;
use crate::data_dir::DataDir;
use crate::failure::Failure;

pub use issuer::{DEV_TOKEN_LIFETIME, TokenIssuer};
pub use verifier::{MAX_TOKEN, TokenVerifier, VerifiedToken};

/// Turns a token into a person, for REST and WebSocket alike.
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// The user whom the token names, created when new, and when the token expires.
    ///
    /// # Errors
    /// `Unauthorized` for a token that cannot be trusted; `Unavailable`, `Timeout` when that cannot be told.
    async fn authenticate(&self, token: &str) -> Outcome<(User, Timestamp)>;
}

/// The verifier that the configuration asks for, and an issuer when that is the development key's.
///
/// # Errors
/// A dependency failure when a key cannot be read; a configuration failure when it fits no algorithm.
pub fn from_config(
    config: &Auth,
    data: &DataDir,
    clock: &Arc<dyn Clock>,
) -> Result<(TokenVerifier, Option<TokenIssuer>), Failure> {
    let Auth { issuer, audience, .. } = config;
    let Some(path) = &config.keys else {
        let key = data.signing_key()?;
        let verifier = TokenVerifier::hs256(&key, issuer, audience, clock.clone());
        return Ok((
            verifier,
            Some(TokenIssuer::new(&key, issuer, audience, clock.clone())),
        ));
    };
    let pem = std::fs::read(path)
        .map_err(|e| Failure::dependency(format!("auth.keys: {} cannot be read: {e}", path.display())))?;
    let verifier = TokenVerifier::public_key(&pem, &config.algorithms, issuer, audience, clock.clone())
        .map_err(|e| Failure::config(format!("{}: {e}", path.display())))?;
    Ok((verifier, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::SystemClock;
    use crate::config::{Sources, load};

    #[test]
    fn the_key_file_takes_the_place_of_the_development_key() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(temp.path()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut auth = load(&Sources::default()).unwrap().config.auth;
        let (verifier, issuer) = from_config(&auth, &data, &clock).unwrap();
        let token = issuer.unwrap().mint("ana").unwrap();
        assert!(verifier.verify(&token).is_ok());

        let pem = temp.path().join("key.pem");
        auth.keys = Some(pem.clone());
        auth.algorithms = vec!["ES256".into()];
        let exit = |auth: &Auth| {
            from_config(auth, &data, &clock)
                .map(|_| ())
                .unwrap_err()
                .exit()
                .code()
        };
        assert_eq!(exit(&auth), 69);
        std::fs::write(&pem, "no key").unwrap();
        assert_eq!(exit(&auth), 78);
        std::fs::write(&pem, include_str!("verifier/ec_public.pem")).unwrap();
        let (verifier, issuer) = from_config(&auth, &data, &clock).unwrap();
        assert!(issuer.is_none());
        assert!(verifier.verify(&token).is_err());
    }
}
