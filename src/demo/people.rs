//! Who lives in the demo world, whom they follow, and what they stream.

/// Somebody of the demo world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    /// User name, and subject of the token that `nova token --user` gives for them.
    pub(super) username: &'static str,
    /// Display name.
    pub(super) name: &'static str,
    /// User names of the people that they follow.
    pub(super) follows: &'static [&'static str],
}

/// The account that closes the seeding: once it follows everybody, the world is whole.
pub(super) const HOUSE: Person = Person {
    username: "nova_team",
    name: "Nova Team",
    follows: &[
        "mira_k", "jonas", "lotte_b", "deniz", "amara", "pavel_s", "yuki_t", "rosa", "tomas_w",
    ],
};

pub(super) const PEOPLE: [Person; 9] = [
    Person {
        username: "mira_k",
        name: "Mira Kovač",
        follows: &["jonas", "yuki_t", "amara", "tomas_w"],
    },
    Person {
        username: "jonas",
        name: "Jonas Lindqvist",
        follows: &["mira_k", "deniz", "pavel_s"],
    },
    Person {
        username: "lotte_b",
        name: "Lotte Brouwer",
        follows: &["rosa", "amara", "yuki_t", "mira_k"],
    },
    Person {
        username: "deniz",
        name: "Deniz Arslan",
        follows: &["jonas", "tomas_w", "pavel_s"],
    },
    Person {
        username: "amara",
        name: "Amara Okafor",
        follows: &["lotte_b", "mira_k", "rosa"],
    },
    Person {
        username: "pavel_s",
        name: "Pavel Sokolov",
        follows: &["deniz", "jonas", "tomas_w"],
    },
    Person {
        username: "yuki_t",
        name: "Yuki Tanaka",
        follows: &["mira_k", "lotte_b", "rosa"],
    },
    Person {
        username: "rosa",
        name: "Rosa Ferrante",
        follows: &["lotte_b", "amara", "yuki_t"],
    },
    Person {
        username: "tomas_w",
        name: "Tomás Wierzba",
        follows: &["deniz", "pavel_s", "jonas", "mira_k"],
    },
];

/// A live stream of the demo world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broadcast {
    /// User name of the streamer.
    pub(super) by: &'static str,
    /// Title.
    pub(super) title: &'static str,
    /// Description.
    pub(super) description: &'static str,
    /// Category, when it is among the configured ones.
    pub(super) category: &'static str,
    /// Minutes since it started when the world is made.
    pub(super) minutes: u64,
}

pub(super) const BROADCASTS: [Broadcast; 4] = [
    Broadcast {
        by: "mira_k",
        title: "Late-night piano: your requests until midnight",
        description: "An upright piano, a pot of tea and whatever you put into the chat.",
        category: "music",
        minutes: 74,
    },
    Broadcast {
        by: "deniz",
        title: "Hard-mode speedrun practice, day 12",
        description: "Working on the bridge skip. Personal best is 41:07, today it goes below 40.",
        category: "gaming",
        minutes: 51,
    },
    Broadcast {
        by: "yuki_t",
        title: "Ink and wash: a harbour in the rain",
        description: "One painting from the first line to the last wash. Questions are welcome.",
        category: "art",
        minutes: 33,
    },
    Broadcast {
        by: "pavel_s",
        title: "Building a weather station from spare parts",
        description: "Soldering, a little firmware, and the sensor that never agreed with the others.",
        category: "technology",
        minutes: 12,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nova_actors::domain::{NewStream, is_username};

    use super::*;

    #[test]
    fn people_are_valid_and_follow_people_who_exist() {
        let names: BTreeSet<_> = PEOPLE.iter().map(|p| p.username).collect();
        assert_eq!(names.len(), PEOPLE.len());
        for person in PEOPLE.iter().chain([&HOUSE]) {
            assert!(is_username(person.username), "{}", person.username);
            assert!(!person.follows.is_empty(), "{}", person.username);
            for followee in person.follows {
                assert!(
                    names.contains(followee) && *followee != person.username,
                    "{followee}"
                );
            }
        }
    }

    #[test]
    fn broadcasts_are_valid_and_differ_in_streamer_and_category() {
        let categories: BTreeSet<_> = BROADCASTS.iter().map(|b| b.category).collect();
        let streamers: BTreeSet<_> = BROADCASTS.iter().map(|b| b.by).collect();
        assert_eq!(
            (categories.len(), streamers.len()),
            (BROADCASTS.len(), BROADCASTS.len())
        );
        for b in BROADCASTS {
            assert!(PEOPLE.iter().any(|p| p.username == b.by), "{}", b.by);
            let allowed = [b.category.to_owned()];
            NewStream::parse(
                b.title.into(),
                Some(b.description.into()),
                b.category.into(),
                None,
                &allowed,
            )
            .unwrap();
        }
    }
}
