//! Snapshots as bytes for the cache: authors are written once, numbers as long as they need.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::snapshot::{Entry, Origin, Snapshot, Sources};
use crate::domain::feed::{Candidate, PostFeatures};
use crate::domain::{PostId, Timestamp, UserId};

/// Of the encoding; an entry of another format is as good as lost.
const FORMAT: u8 = 1;

impl Snapshot {
    /// The bytes for the cache.
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
            put_varint(&mut out, zigzag(created_at.millis().wrapping_sub(stamp(post_id))));
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
            out.put_u8(entry.sources.bits());
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
            .map(|_| input.entry(&authors))
            .collect::<Option<Vec<_>>>()?;
        input.0.is_empty().then_some(Self { origin, entries })
    }
}

/// The time in a UUIDv7, in epoch milliseconds. A post is written at about that time, so the difference takes a
/// byte or two.
fn stamp(id: PostId) -> i64 {
    (id.uuid().as_u128() >> 80) as i64
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

    fn entry(&mut self, authors: &[UserId]) -> Option<Entry> {
        let post_id = PostId::from_uuid(self.uuid()?);
        let author_id = *authors.get(usize::try_from(self.varint()?).ok()?)?;
        let delay = unzigzag(self.varint()?);
        let score = f64::from_le_bytes(self.take(8)?.try_into().ok()?);
        Some(Entry {
            candidate: Candidate {
                post_id,
                author_id,
                created_at: Timestamp::from_millis(stamp(post_id).wrapping_add(delay)),
            },
            score,
            features: PostFeatures {
                likes: self.varint()?,
                comments: self.varint()?,
                shares: self.varint()?,
                impressions: self.varint()?,
            },
            interactions: self.varint()?,
            sources: Sources::from_bits(self.byte()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::feed::Rung;
    use crate::feed::ranking::Ranker;
    use crate::feed::snapshot::{Generation, Watermark};

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
                sources: Sources::from_bits(bits),
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

    /// A post whose id was made a moment before it was stored.
    fn candidate(ms: i64, author_id: UserId) -> Candidate {
        let random = Uuid::new_v4().as_u128() >> 48;
        Candidate {
            post_id: PostId::from_uuid(Uuid::from_u128(((ms as u128) << 80) | random)),
            author_id,
            created_at: Timestamp::from_millis(ms + 3),
        }
    }

    #[test]
    fn a_usual_snapshot_stays_within_its_budget() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let authors: Vec<UserId> = (0..60).map(|_| UserId::new()).collect();
        let entries = (0..300_u64).map(|n| Entry {
            candidate: candidate(now.millis() - 700_000 * n as i64, authors[n as usize % 60]),
            score: 1.0 / (n + 1) as f64,
            features: PostFeatures {
                likes: n * 3,
                comments: n,
                shares: 0,
                impressions: n * 40,
            },
            interactions: n % 7,
            sources: Sources::from_bits(1),
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
