//! Cursors: where the next page starts, in which snapshot, and until when; signed for one reader.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::snapshot::Generation;
use crate::domain::{Timestamp, UserId};
use crate::error::{Error, Kind, Result};

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + 8 + 2 + 8;
const BYTES: usize = BODY_BYTES + MAC_BYTES;
/// Length of every cursor, in characters.
const CHARS: usize = (BYTES * 4).div_ceil(3);
/// Keeps a signature of ours from meaning anything elsewhere.
const CONTEXT: &[u8] = b"nova feed cursor";

/// The secret that signs cursors.
#[derive(Clone)]
pub struct CursorKey(Arc<[u8]>);

impl CursorKey {
    /// Shortest key that is taken, in bytes.
    pub const MIN_BYTES: usize = 32;

    /// Wraps a secret.
    ///
    /// # Errors
    /// `Validation` on `secrets.cursor_key` for fewer than [`Self::MIN_BYTES`] bytes.
    pub fn new(secret: &[u8]) -> Result<Self> {
        if secret.len() < Self::MIN_BYTES {
            return Err(Error::field("secrets.cursor_key", "at least 32 bytes"));
        }
        Ok(Self(secret.into()))
    }

    fn mac(&self, reader: UserId, body: &[u8]) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .map_err(|e| Error::internal("the cursor key cannot sign").with_source(e))?;
        mac.update(CONTEXT);
        mac.update(reader.uuid().as_bytes());
        mac.update(body);
        Ok(mac)
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

/// A place in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The snapshot.
    pub generation: Generation,
    /// How many of its entries were consumed.
    pub position: u16,
    /// Refused from then on.
    pub expires_at: Timestamp,
}

impl Cursor {
    /// The text for `reader`, always of the same length.
    ///
    /// # Errors
    /// `Internal` when the key cannot sign.
    pub(super) fn encode(&self, key: &CursorKey, reader: UserId) -> Result<String> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.generation.get().to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.millis().to_be_bytes());
        let signature = key.mac(reader, &bytes)?.finalize().into_bytes();
        bytes.extend(signature.into_iter().take(MAC_BYTES));
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a cursor that `reader` brought.
    ///
    /// # Errors
    /// `CursorInvalid` when it was altered or made for someone else, `CursorExpired` when its time is over.
    pub(super) fn decode(text: &str, key: &CursorKey, reader: UserId, now: Timestamp) -> Result<Self> {
        let cursor = Self::verified(text, key, reader)
            .ok_or_else(|| Error::new(Kind::CursorInvalid, "the cursor is not valid for this reader"))?;
        if now >= cursor.expires_at {
            return Err(expired());
        }
        Ok(cursor)
    }

    fn verified(text: &str, key: &CursorKey, reader: UserId) -> Option<Self> {
        if text.len() != CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, signature) = bytes.split_at_checked(BODY_BYTES)?;
        key.mac(reader, body)
            .ok()?
            .verify_truncated_left(signature)
            .ok()?;
        let (version, body) = body.split_first()?;
        let (generation, body) = body.split_first_chunk::<8>()?;
        let (position, body) = body.split_first_chunk::<2>()?;
        let (expires_at, _) = body.split_first_chunk::<8>()?;
        (*version == VERSION).then(|| Self {
            generation: Generation::from(u64::from_be_bytes(*generation)),
            position: u16::from_be_bytes(*position),
            expires_at: Timestamp::from_millis(i64::from_be_bytes(*expires_at)),
        })
    }
}

/// The answer to a cursor whose time is over or whose snapshot is gone.
pub(super) fn expired() -> Error {
    Error::new(
        Kind::CursorExpired,
        "the cursor has expired; start from the first page",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key() -> CursorKey {
        CursorKey::new(&[7; 32]).unwrap()
    }

    fn cursor() -> impl Strategy<Value = Cursor> {
        (any::<u64>(), any::<u16>(), NOW.millis() + 1..i64::MAX).prop_map(|(generation, position, at)| {
            Cursor {
                generation: Generation::from(generation),
                position,
                expires_at: Timestamp::from_millis(at),
            }
        })
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(CursorKey::new(&[7; 31]).is_err());
    }

    #[test]
    fn a_key_never_shows_itself() {
        assert_eq!(format!("{:?}", key()), "CursorKey(..)");
    }

    #[test]
    fn another_readers_cursor_and_another_keys_cursor_are_invalid() {
        let (reader, other) = (UserId::new(), UserId::new());
        let cursor = Cursor {
            generation: Generation::from(1),
            position: 20,
            expires_at: NOW.plus(std::time::Duration::from_secs(1)),
        };
        let text = cursor.encode(&key(), reader).unwrap();
        let refused = Cursor::decode(&text, &key(), other, NOW).unwrap_err();
        assert_eq!(refused.kind(), &Kind::CursorInvalid);
        let foreign = CursorKey::new(&[8; 32]).unwrap();
        let refused = Cursor::decode(&text, &foreign, reader, NOW).unwrap_err();
        assert_eq!(refused.kind(), &Kind::CursorInvalid);
    }

    #[test]
    fn a_cursor_expires_at_its_time() {
        let reader = UserId::new();
        let cursor = Cursor {
            generation: Generation::from(1),
            position: 20,
            expires_at: NOW,
        };
        let text = cursor.encode(&key(), reader).unwrap();
        let refused = Cursor::decode(&text, &key(), reader, NOW).unwrap_err();
        assert_eq!(refused.kind(), &Kind::CursorExpired);
        let before = Timestamp::from_millis(NOW.millis() - 1);
        assert_eq!(Cursor::decode(&text, &key(), reader, before).unwrap(), cursor);
    }

    #[test]
    fn text_that_is_no_cursor_is_invalid() {
        for text in [
            "",
            "x",
            &"A".repeat(CHARS),
            &"é".repeat(CHARS),
            &"A".repeat(10_000),
        ] {
            let refused = Cursor::decode(text, &key(), UserId::new(), NOW).unwrap_err();
            assert_eq!(refused.kind(), &Kind::CursorInvalid, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_cursor_reads_back_and_has_one_length(cursor in cursor(), reader in any::<u128>()) {
            let reader = UserId::from_uuid(uuid::Uuid::from_u128(reader));
            let text = cursor.encode(&key(), reader).unwrap();
            prop_assert_eq!(text.len(), CHARS);
            prop_assert!(CHARS <= 96);
            prop_assert_eq!(Cursor::decode(&text, &key(), reader, NOW).unwrap(), cursor);
        }

        #[test]
        fn any_flipped_bit_is_refused(cursor in cursor(), at in 0..CHARS, bit in 0_u8..7) {
            let reader = UserId::new();
            let mut bytes = cursor.encode(&key(), reader).unwrap().into_bytes();
            bytes[at] ^= 1 << bit;
            let text = String::from_utf8(bytes).unwrap();
            let refused = Cursor::decode(&text, &key(), reader, NOW).unwrap_err();
            prop_assert_eq!(refused.kind(), &Kind::CursorInvalid);
        }
    }
}
