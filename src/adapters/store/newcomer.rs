//! The user that a new identity becomes. Claims are what a person typed somewhere else, so they are made to fit
//! rather than refused: nobody is locked out by an odd name.

use nova_actors::domain::validate::Checks;
use nova_actors::domain::{Identity, Timestamp, User, UserId, username_from};

const MAX_USERNAME: usize = 32;
const MAX_DISPLAY_NAME: usize = 100;
/// Small numbers tried behind a taken name, before random ones.
const SMALL_SUFFIXES: std::ops::RangeInclusive<u32> = 2..=9;
/// Random numbers tried after that: each is free with a chance far above a half.
const RANDOM_SUFFIXES: u32 = 16;

/// The user of `identity` under the name that it wishes for. A picture that is not an http or https URL is left
/// out; control characters are left out of the display name, and what is longer than 100 characters.
pub(super) fn newcomer(identity: &Identity, now: Timestamp) -> User {
    let preferred = given(identity.preferred_username.as_deref());
    let name = given(identity.name.as_deref());
    let username = preferred
        .or(name)
        .map_or_else(|| format!("user_{:08x}", rand::random::<u32>()), username_from);
    let display_name = name.or(preferred).map(shown).filter(|shown| !shown.is_empty());
    User {
        id: UserId::new(),
        display_name: display_name.unwrap_or_else(|| username.clone()),
        username,
        avatar_url: identity.picture.clone().filter(|url| is_url(url)),
        bio: String::new(),
        created_at: now,
    }
}

/// Names to try in this order: `wished`, then `wished` with numbers behind it. All are valid; there are 25.
pub(super) fn usernames(wished: &str) -> impl Iterator<Item = String> + Send {
    let random = (0..RANDOM_SUFFIXES).map(|_| rand::random_range(10..1_000_000_000));
    let suffixes = SMALL_SUFFIXES.chain(random);
    std::iter::once(wished.to_owned()).chain(suffixes.map(move |n| suffixed(wished, n)))
}

fn suffixed(wished: &str, number: u32) -> String {
    let number = number.to_string();
    let kept: String = wished.chars().take(MAX_USERNAME - number.len()).collect();
    kept + &number
}

fn given(claim: Option<&str>) -> Option<&str> {
    claim.filter(|text| !text.trim().is_empty())
}

fn shown(name: &str) -> String {
    let printable = name.trim().chars().filter(|c| !c.is_control());
    printable.take(MAX_DISPLAY_NAME).collect()
}

fn is_url(url: &str) -> bool {
    let mut checks = Checks::new();
    checks.url("picture", Some(url));
    checks.finish().is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use nova_actors::domain::is_username;

    use super::*;

    fn of_claims(preferred: Option<&str>, name: Option<&str>, picture: Option<&str>) -> User {
        let identity = Identity {
            issuer: "https://id.example.org".to_owned(),
            subject: "s".to_owned(),
            preferred_username: preferred.map(ToOwned::to_owned),
            name: name.map(ToOwned::to_owned),
            picture: picture.map(ToOwned::to_owned),
        };
        newcomer(&identity, Timestamp::from_millis(1))
    }

    #[test]
    fn every_alternative_is_valid_and_another() {
        let names: Vec<String> = usernames(&"x".repeat(32)).collect();
        assert_eq!(names.len(), 25);
        assert!(names.iter().all(|name| is_username(name)), "{names:?}");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn names_come_from_the_best_claim_there_is() {
        let both = of_claims(Some("ana.u"), Some("Ana Ünal"), None);
        assert_eq!((&*both.username, &*both.display_name), ("ana_u", "Ana Ünal"));
        let blank = of_claims(Some("  "), Some("Bo"), None);
        assert_eq!((&*blank.username, &*blank.display_name), ("bo_", "Bo"));
        let none = of_claims(None, None, None);
        assert!(none.username.starts_with("user_") && is_username(&none.username));
        assert_eq!(none.display_name, none.username);
    }

    #[test]
    fn claims_are_made_to_fit() {
        let long = of_claims(None, Some(&format!("a\0b\n{}", "é".repeat(200))), None);
        assert_eq!(long.display_name, format!("ab{}", "é".repeat(98)));
        let controls = of_claims(None, Some("\0\u{1}"), None);
        assert_eq!(controls.display_name, controls.username);
        assert_eq!(
            of_claims(None, None, Some("javascript:alert(1)")).avatar_url,
            None
        );
        let picture = of_claims(None, None, Some("https://example.org/a.png"));
        assert_eq!(picture.avatar_url.as_deref(), Some("https://example.org/a.png"));
    }
}
