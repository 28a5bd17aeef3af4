//! People: users, and the identities by which tokens name them.

use serde::{Deserialize, Serialize};

use super::{StreamId, Timestamp, UserId};

/// Name shown for a creator that the directory does not know.
pub const UNKNOWN_USERNAME: &str = "unknown";

/// A user as every other part shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Identity.
    pub id: UserId,
    /// Unique, `[a-z0-9_]{3,32}`.
    pub username: String,
    /// Free text.
    pub display_name: String,
    /// Picture, if any.
    pub avatar_url: Option<String>,
    /// Free text, possibly empty.
    pub bio: String,
    /// When the first token of this person was seen.
    pub created_at: Timestamp,
}

/// A user with what others did: the body of `GET /users/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// How many follow this user.
    pub followers: u64,
    /// How many this user follows.
    pub following: u64,
    /// The running live stream, if there is one.
    pub live_stream_id: Option<StreamId>,
}

/// What a verified token says about its holder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The token's `iss`.
    pub issuer: String,
    /// The token's `sub`, unique within the issuer.
    pub subject: String,
    /// Wished user name; made valid and unique when the user is created.
    pub preferred_username: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Avatar URL.
    pub picture: Option<String>,
}

/// Turns any wished name into a valid username: lower case, `[a-z0-9_]`, 3 to 32 characters.
#[must_use]
pub fn username_from(wish: &str) -> String {
    let mut name: String = wish
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '_'
            }
        })
        .take(32)
        .collect();
    while name.len() < 3 {
        name.push('_');
    }
    name
}

/// Whether `name` may be used as it is.
#[must_use]
pub fn is_username(name: &str) -> bool {
    (3..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wish_becomes_a_valid_username() {
        for wish in ["", "Ana", "Zoë Ünïcode", "a b", &"x".repeat(80)] {
            assert!(
                is_username(&username_from(wish)),
                "{wish:?} -> {}",
                username_from(wish)
            );
        }
    }
}
