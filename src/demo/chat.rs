//! A chat that people could have: which line, by whom, in which room, after which pause. Pure: the same seed
//! gives the same conversation, and whoever drives it decides when a line is said.

use std::time::Duration;

use nova_actors::domain::{LiveStream, StreamId, UserId};

use super::seed::World;

/// Shortest pause before a line, over all rooms together.
const MIN_PAUSE_MS: u64 = 800;
/// Longest pause before a line.
const MAX_PAUSE_MS: u64 = 3_200;
/// So many last speakers stay silent, so that nobody reaches the chat limit of a viewer.
const RESTING: usize = 3;

const ANYWHERE: [&str; 14] = [
    "hello from the night shift",
    "just got here, what did I miss?",
    "this is exactly what I needed today",
    "can you say that again? my kettle was louder",
    "first time I catch this live",
    "greetings to everyone in here",
    "the sound is great today",
    "ha, I saw that",
    "brb, tea",
    "back, and it is going well",
    "how long are you live tonight?",
    "telling my sister about this stream",
    "that was smooth",
    "good evening, room",
];
const MUSIC: [&str; 6] = [
    "that chord! which one was it?",
    "could you play something slow next?",
    "the left hand is doing so much work here",
    "requesting anything in a minor key",
    "you can hear the wood of that piano",
    "again from the second verse, please",
];
const GAMING: [&str; 6] = [
    "so close on that skip",
    "what is your split at the bridge?",
    "the reset was the right call",
    "new best in this section!",
    "does the other route save time?",
    "hands off the settings",
];
const ART: [&str; 6] = [
    "how wet is the paper right now?",
    "the sky came out beautifully",
    "which brush is that?",
    "leave that edge, it is perfect",
    "do you sketch the harbour from memory?",
    "watching ink dry, and I mean it",
];
const TECHNOLOGY: [&str; 6] = [
    "check the polarity before you power it",
    "which sensor is the odd one out?",
    "is that flux or glue?",
    "print the raw value first",
    "I have the same board, the pull-up matters",
    "that joint looks clean",
];

/// A room where the chat happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoRoom {
    /// The live stream.
    pub stream: StreamId,
    /// Its category, which decides what is talked about.
    pub category: String,
    /// Those who talk.
    pub speakers: Vec<Speaker>,
}

/// Somebody who talks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Identity.
    pub id: UserId,
    /// User name.
    pub username: String,
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoLine {
    /// In which room.
    pub stream: StreamId,
    /// Who says it.
    pub speaker: Speaker,
    /// What.
    pub text: &'static str,
    /// How long after the line before.
    pub pause: Duration,
}

/// An endless conversation in some rooms. An iterator that ends only when nobody is left to talk.
#[derive(Debug, Clone)]
pub struct DemoChat {
    rooms: Vec<DemoRoom>,
    random: u64,
    turn: usize,
    last_speakers: Vec<UserId>,
    last_text: &'static str,
}

impl DemoChat {
    /// A conversation in `rooms`; the same `seed` gives the same one. Rooms with too few speakers stay silent.
    #[must_use]
    pub fn new(seed: u64, mut rooms: Vec<DemoRoom>) -> Self {
        rooms.retain(|room| room.speakers.len() > RESTING);
        Self {
            rooms,
            random: seed,
            turn: 0,
            last_speakers: Vec::new(),
            last_text: "",
        }
    }

    /// The rooms of `world`: everybody talks everywhere but in their own room.
    #[must_use]
    pub fn in_world(seed: u64, world: &World) -> Self {
        let room = |stream: &LiveStream| DemoRoom {
            stream: stream.id,
            category: stream.category.clone(),
            speakers: world
                .people
                .iter()
                .filter(|user| user.id != stream.creator_id)
                .map(|user| Speaker {
                    id: user.id,
                    username: user.username.clone(),
                })
                .collect(),
        };
        Self::new(seed, world.streams.iter().map(room).collect())
    }

    /// Stops talking in `stream`, which has ended.
    pub fn leave(&mut self, stream: StreamId) {
        self.rooms.retain(|room| room.stream != stream);
    }

    /// SplitMix64: small, and good enough to choose words with.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or(0)
    }

    fn text(&mut self, category: &str) -> &'static str {
        let own: &[&'static str] = match category {
            "music" => &MUSIC,
            "gaming" => &GAMING,
            "art" => &ART,
            "technology" => &TECHNOLOGY,
            _ => &[],
        };
        let own_first = !own.is_empty() && self.below(2) == 0;
        let mut words: Vec<&'static str> = if own_first {
            own.to_vec()
        } else {
            ANYWHERE.to_vec()
        };
        words.retain(|text| *text != self.last_text);
        let chosen = self.below(words.len());
        words.get(chosen).copied().unwrap_or("hello")
    }
}

impl Iterator for DemoChat {
    type Item = DemoLine;

    fn next(&mut self) -> Option<DemoLine> {
        // In turn, so that no room is silent for long.
        self.turn = self.turn.wrapping_add(1);
        let room = self.rooms.get(self.turn % self.rooms.len().max(1))?.clone();
        let mut rested = room.speakers;
        rested.retain(|speaker| !self.last_speakers.contains(&speaker.id));
        let at = self.below(rested.len());
        let speaker = rested.get(at)?.clone();
        self.last_speakers.push(speaker.id);
        if self.last_speakers.len() > RESTING {
            self.last_speakers.remove(0);
        }
        let text = self.text(&room.category);
        self.last_text = text;
        let spread = usize::try_from(MAX_PAUSE_MS - MIN_PAUSE_MS).unwrap_or(0) + 1;
        let pause = Duration::from_millis(MIN_PAUSE_MS + self.below(spread) as u64);
        Some(DemoLine {
            stream: room.stream,
            speaker,
            text,
            pause,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use nova_actors::domain::room::MAX_CHAT;

    use super::*;

    fn rooms() -> Vec<DemoRoom> {
        let speaker = |n: usize| Speaker {
            id: UserId::new(),
            username: format!("person_{n}"),
        };
        let speakers: Vec<_> = (0..8).map(speaker).collect();
        ["music", "gaming", "cooking"]
            .map(|category| DemoRoom {
                stream: StreamId::new(),
                category: category.into(),
                speakers: speakers.clone(),
            })
            .into()
    }

    #[test]
    fn the_same_seed_gives_the_same_conversation() {
        let rooms = rooms();
        let talk = |seed: u64| DemoChat::new(seed, rooms.clone()).take(200).collect::<Vec<_>>();
        assert_eq!(talk(1), talk(1));
        assert_ne!(talk(1), talk(2));
    }

    #[test]
    fn every_room_is_talked_in_with_words_that_may_be_sent() {
        let lines: Vec<_> = DemoChat::new(7, rooms()).take(500).collect();
        let rooms: BTreeSet<_> = lines.iter().map(|line| line.stream).collect();
        assert_eq!(rooms.len(), 3);
        assert!(
            lines
                .iter()
                .all(|line| (1..=MAX_CHAT).contains(&line.text.chars().count()))
        );
        assert!(lines.windows(2).all(|pair| pair[0].text != pair[1].text));
    }

    #[test]
    fn nobody_exceeds_the_chat_limit_of_a_viewer() {
        let (burst, window) = (5, Duration::from_secs(10));
        let mut said: HashMap<String, Vec<Duration>> = HashMap::new();
        let mut now = Duration::ZERO;
        for line in DemoChat::new(3, rooms()).take(5_000) {
            assert!((MIN_PAUSE_MS..=MAX_PAUSE_MS).contains(&(line.pause.as_millis() as u64)));
            now += line.pause;
            let times = said.entry(line.speaker.username).or_default();
            times.push(now);
            times.retain(|at| now - *at < window);
            assert!(times.len() <= burst, "{} messages within {window:?}", times.len());
        }
    }

    #[test]
    fn a_room_that_ended_is_left_and_the_last_one_ends_the_chat() {
        let rooms = rooms();
        let mut chat = DemoChat::new(1, rooms.clone());
        chat.leave(rooms[0].stream);
        assert!(chat.by_ref().take(200).all(|line| line.stream != rooms[0].stream));
        chat.leave(rooms[1].stream);
        chat.leave(rooms[2].stream);
        assert_eq!(chat.next(), None);
        assert_eq!(DemoChat::new(1, Vec::new()).next(), None);
    }
}
