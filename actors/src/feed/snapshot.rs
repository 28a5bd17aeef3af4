//! Ranked snapshots: immutable, so that pages neither repeat nor skip posts whatever is ranked meanwhile,
//! and with everything that a score was made from, so that it can be explained.

use std::collections::HashMap;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ranking::{Inputs, Ranker};
use crate::domain::feed::{Candidate, PostFeatures, Rung, Source};
use crate::domain::{PostId, Timestamp, UserId};

/// Said of a feed for which there is no post.
pub(super) const NO_POSTS: &str = "no_posts";
/// Of the encoding; an entry of another format is as good as lost.
const FORMAT: u8 = 1;
const RANDOM_BITS: u32 = 20;

/// Identity of a snapshot; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Generation(u64);

impl Generation {
    /// Of a snapshot made at `now`. Random low bits keep two nodes from making the same one.
    #[must_use]
    pub(super) fn new(now: Timestamp) -> Self {
        let ms = u64::try_from(now.millis()).unwrap_or(0);
        let random = u64::from(rand::random::<u32>() >> (u32::BITS - RANDOM_BITS));
        Self((ms << RANDOM_BITS) | random)
    }

    /// The number.
    #[must_use]
    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Generation {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The sources that proposed a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sources(u8);

impl Sources {
    const ALL: [Source; 4] = [
        Source::Followees,
        Source::Trending,
        Source::Affinity,
        Source::Recent,
    ];

    /// Adds one.
    pub(super) fn insert(&mut self, source: Source) {
        self.0 |= Self::bit(source);
    }

    /// Whether it is there.
    #[must_use]
    pub(super) fn contains(self, source: Source) -> bool {
        self.0 & Self::bit(source) != 0
    }

    /// All of them, in declared order.
    pub(super) fn iter(self) -> impl Iterator<Item = Source> {
        Self::ALL.into_iter().filter(move |source| self.contains(*source))
    }

    const fn bit(source: Source) -> u8 {
        match source {
            Source::Followees => 1,
            Source::Trending => 2,
            Source::Affinity => 4,
            Source::Recent => 8,
        }
    }
}

impl FromIterator<Source> for Sources {
    fn from_iter<I: IntoIterator<Item = Source>>(sources: I) -> Self {
        let mut set = Self::default();
        for source in sources {
            set.insert(source);
        }
        set
    }
}

/// Time up to which each pipeline's input had been queryable when the snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watermark {
    /// Row changes; `None` before the first batch, or when analytics did not answer.
    pub cdc: Option<Timestamp>,
    /// Events; `None` likewise.
    pub events: Option<Timestamp>,
}

/// How a snapshot came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// Identity.
    pub generation: Generation,
    /// When the queries began: it holds nothing newer, and ages count from there.
    pub built_at: Timestamp,
    /// What ordered it.
    pub ranker: Ranker,
    /// How good it was when made; never `stale`.
    pub rung: Rung,
    /// What was missing.
    pub degraded: Vec<String>,
    /// See [`Watermark`].
    pub watermark: Watermark,
}

impl Origin {
    /// Whether every source and figure was there.
    #[must_use]
    pub(super) fn is_complete(&self) -> bool {
        self.degraded.iter().all(|what| what == NO_POSTS)
    }
}

/// One ranked post.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// The post.
    pub candidate: Candidate,
    /// Its score.
    pub score: f64,
    /// Its figures when it was scored.
    pub features: PostFeatures,
    /// The reader's interactions with its author.
    pub interactions: u64,
    /// Who proposed it.
    pub sources: Sources,
}

impl Entry {
    /// What the score was made from.
    #[must_use]
    pub(super) fn inputs(&self, built_at: Timestamp) -> Inputs {
        Inputs {
            age: built_at.since(self.candidate.created_at),
            features: self.features,
            interactions: self.interactions,
        }
    }
}

/// A ranking of posts for one reader.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// How it came about.
    pub origin: Origin,
    /// Best first.
    pub entries: Vec<Entry>,
}

impl Snapshot {
    /// The bytes for the cache: authors are written once, numbers as long as they need.
    ///
    /// # Errors
    /// When its origin cannot be written as JSON.
    pub(super) fn encode(&self) -> serde_json::Result<Bytes> {
        let mut out = BytesMut::with_capacity(512 + self.entries.len() * 48);
        let origin = serde_json::to_vec(&self.origin)?;
        out.put_u8(FORMAT);
        put_varint(&mut out, origin.len() as u64);
        out.put_slice(&origin);
        let mut authors: HashMap<UserId, u64> = HashMap::new();
        let mut table = Vec::new();
        for entry in &self.entries {
            let next = authors.len() as u64;
            authors.entry(entry.candidate.author_id).or_insert_with(|| {
                table.push(entry.candidate.author_id);
                next
            });
        }
        put_varint(&mut out, table.len() as u64);
        for author in table {
            out.put_slice(author.uuid().as_bytes());
        }
        put_varint(&mut out, self.entries.len() as u64);
        for entry in &self.entries {
            let Candidate {
                post_id,
                author_id,
                created_at,
            } = entry.candidate;
            out.put_slice(post_id.uuid().as_bytes());
            put_varint(&mut out, authors.get(&author_id).copied().unwrap_or_default());
            let age = self.origin.built_at.millis().wrapping_sub(created_at.millis());
            put_varint(&mut out, zigzag(age));
            out.put_f64_le(entry.score);
            let PostFeatures {
                likes,
                comments,
                shares,
                impressions,
            } = entry.features;
            for number in [likes, comments, shares, impressions, entry.interactions] {
                put_varint(&mut out, number);
            }
            out.put_u8(entry.sources.0);
        }
        Ok(out.freeze())
    }

    /// Reads what [`Self::encode`] wrote; `None` for anything else.
    #[must_use]
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        if input.byte()? != FORMAT {
            return None;
        }
        let length = input.length()?;
        let origin: Origin = serde_json::from_slice(input.take(length)?).ok()?;
        let authors = (0..input.length()?)
            .map(|_| input.uuid().map(UserId::from_uuid))
            .collect::<Option<Vec<_>>>()?;
        let entries = (0..input.length()?)
            .map(|_| input.entry(&authors, origin.built_at))
            .collect::<Option<Vec<_>>>()?;
        input.0.is_empty().then_some(Self { origin, entries })
    }
}

fn put_varint(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        // The low seven bits, with the mark that more follow.
        out.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Bytes still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn uuid(&mut self) -> Option<Uuid> {
        Uuid::from_slice(self.take(16)?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            number |= part << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things to come; more than there are bytes left is a lie.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(self.varint()?).ok()?;
        (length <= self.0.len()).then_some(length)
    }

    fn entry(&mut self, authors: &[UserId], built_at: Timestamp) -> Option<Entry> {
        let post_id = PostId::from_uuid(self.uuid()?);
        let author_id = *authors.get(usize::try_from(self.varint()?).ok()?)?;
        let age = unzigzag(self.varint()?);
        let score = f64::from_le_bytes(self.take(8)?.try_into().ok()?);
        Some(Entry {
            candidate: Candidate {
                post_id,
                author_id,
                created_at: Timestamp::from_millis(built_at.millis().wrapping_sub(age)),
            },
            score,
            features: PostFeatures {
                likes: self.varint()?,
                comments: self.varint()?,
                shares: self.varint()?,
                impressions: self.varint()?,
            },
            interactions: self.varint()?,
            sources: Sources(self.byte()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let entry = (
            any::<u128>(),
            0_u128..5,
            any::<i64>(),
            -1e9..1e9_f64,
            any::<[u64; 5]>(),
            0_u8..16,
        );
        let entry = entry.prop_map(
            |(post, author, at, score, [likes, comments, shares, impressions, n], bits)| Entry {
                candidate: Candidate {
                    post_id: PostId::from_uuid(Uuid::from_u128(post)),
                    author_id: UserId::from_uuid(Uuid::from_u128(author)),
                    created_at: Timestamp::from_millis(at),
                },
                score,
                features: PostFeatures {
                    likes,
                    comments,
                    shares,
                    impressions,
                },
                interactions: n,
                sources: Sources(bits),
            },
        );
        prop::collection::vec(entry, 0..40)
    }

    fn snapshot(entries: Vec<Entry>) -> Snapshot {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Snapshot {
            origin: Origin {
                generation: Generation::new(now),
                built_at: now,
                ranker: Ranker::V1,
                rung: Rung::Partial,
                degraded: vec!["trending".to_owned()],
                watermark: Watermark {
                    cdc: Some(now),
                    events: None,
                },
            },
            entries,
        }
    }

    #[test]
    fn a_later_generation_is_greater() {
        let at = |ms| Generation::new(Timestamp::from_millis(ms));
        assert!(at(1_700_000_000_001) > at(1_700_000_000_000));
    }

    #[test]
    fn sources_are_a_set() {
        let mut sources = Sources::default();
        for source in [Source::Affinity, Source::Followees, Source::Affinity] {
            sources.insert(source);
        }
        assert_eq!(
            sources.iter().collect::<Vec<_>>(),
            [Source::Followees, Source::Affinity]
        );
        assert!(!sources.contains(Source::Trending));
    }

    #[test]
    fn a_usual_snapshot_stays_within_its_budget() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let authors: Vec<UserId> = (0..60).map(|_| UserId::new()).collect();
        let entries = (0..300_u64).map(|n| Entry {
            candidate: Candidate {
                post_id: PostId::new(),
                author_id: authors[n as usize % 60],
                created_at: Timestamp::from_millis(now.millis() - 700_000 * n as i64),
            },
            score: 1.0 / (n + 1) as f64,
            features: PostFeatures {
                likes: n * 3,
                comments: n,
                shares: 0,
                impressions: n * 40,
            },
            interactions: n % 7,
            sources: Sources(1),
        });
        let bytes = snapshot(entries.collect()).encode().unwrap();
        assert!(bytes.len() <= 12 * 1_024, "{} bytes", bytes.len());
    }

    proptest! {
        #[test]
        fn every_snapshot_reads_back(entries in entries()) {
            let snapshot = snapshot(entries);
            let bytes = snapshot.encode().unwrap();
            prop_assert_eq!(Snapshot::decode(&bytes), Some(snapshot));
        }

        #[test]
        fn a_cut_or_lengthened_snapshot_is_lost(entries in entries(), cut in any::<prop::sample::Index>()) {
            let bytes = snapshot(entries).encode().unwrap();
            prop_assert_eq!(Snapshot::decode(&bytes[..cut.index(bytes.len())]), None);
            let mut longer = bytes.to_vec();
            longer.push(0);
            prop_assert_eq!(Snapshot::decode(&longer), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut framed = vec![FORMAT];
            framed.extend(&bytes);
            let _ = Snapshot::decode(&framed);
            prop_assert_eq!(Snapshot::decode(&bytes).is_some(), false);
        }
    }
}
