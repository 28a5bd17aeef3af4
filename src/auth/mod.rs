//! Access tokens: what REST and WebSocket accept as proof of identity, and what development hands out.
//!
//! A token is a JWT whose `iss`, `aud`, `exp` and `sub` are all required, signed with an algorithm that is
//! fixed in advance. Nothing in a token chooses how it is verified.

mod issuer;
mod verifier;

pub use issuer::{DEV_TOKEN_LIFETIME, TokenIssuer};
pub use verifier::{MAX_TOKEN, TokenVerifier, VerifiedToken};
