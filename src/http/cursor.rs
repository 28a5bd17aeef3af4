//! Cursors of plain lists: a position, signed and bound to the list that it belongs to.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use nova_actors::domain::{PostId, Timestamp, UserId};
use nova_actors::{Error, Kind, Result};
use sha2::Sha256;
use uuid::Uuid;

const TIME: usize = 8;
const POSITION: usize = TIME + 16;
const TAG: usize = 16;
/// Keeps signatures of one kind of list from being good for another that has the same key.
const PURPOSE: &[u8] = b"nova.posts_by.v1";

/// Signs cursors. All nodes need the same one.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl CursorKey {
    /// From a secret; every length is accepted, what is long enough is the configuration's to say.
    ///
    /// # Errors
    /// `Internal` when the secret cannot be a key.
    pub fn new(secret: &[u8]) -> Result<Self> {
        Hmac::new_from_slice(secret)
            .map(Self)
            .map_err(|e| Error::internal("the cursor key cannot be used").with_source(e))
    }

    fn sign(&self, author: UserId, position: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(PURPOSE);
        mac.update(author.uuid().as_bytes());
        mac.update(position);
        mac
    }
}

/// The key is not shown.
impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey")
    }
}

/// The last post of a page of one author's posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PostPosition {
    pub(super) created_at: Timestamp,
    pub(super) id: PostId,
}

impl PostPosition {
    pub(super) fn encode(self, key: &CursorKey, author: UserId) -> String {
        let mut bytes = Vec::with_capacity(POSITION + TAG);
        bytes.extend_from_slice(&self.created_at.millis().to_be_bytes());
        bytes.extend_from_slice(self.id.uuid().as_bytes());
        let tag = key.sign(author, &bytes).finalize().into_bytes();
        bytes.extend(tag.iter().take(TAG));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// `CursorInvalid` when it was altered, or belongs to another author's list.
    pub(super) fn decode(text: &str, key: &CursorKey, author: UserId) -> Result<Self> {
        let invalid = || {
            Error::new(
                Kind::CursorInvalid,
                "the cursor is not one that was given out here",
            )
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        if bytes.len() != POSITION + TAG {
            return Err(invalid());
        }
        let (position, tag) = bytes.split_at(POSITION);
        key.sign(author, position)
            .verify_truncated_left(tag)
            .map_err(|_| invalid())?;
        let (time, id) = position.split_at(TIME);
        let millis = i64::from_be_bytes(time.try_into().map_err(|_| invalid())?);
        let id = Uuid::from_slice(id).map_err(|_| invalid())?;
        Ok(Self {
            created_at: Timestamp::from_millis(millis),
            id: PostId::from_uuid(id),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> PostPosition {
        PostPosition {
            created_at: Timestamp::from_millis(1_700_000_000_123),
            id: PostId::new(),
        }
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_given_out() {
        let key = CursorKey::new(b"secret").unwrap();
        let author = UserId::new();
        let text = position();
        assert_eq!(
            PostPosition::decode(&text.encode(&key, author), &key, author).unwrap(),
            text
        );
    }

    #[test]
    fn altered_cursors_are_refused() {
        let key = CursorKey::new(b"secret").unwrap();
        let author = UserId::new();
        let good = position().encode(&key, author);
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            let error = PostPosition::decode(&bad, &key, author).unwrap_err();
            assert_eq!(*error.kind(), Kind::CursorInvalid, "{bad}");
        }
        for bad in ["", "!", "AAAA", &good[1..], &format!("{good}A")] {
            assert!(PostPosition::decode(bad, &key, author).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_list_and_key_only() {
        let key = CursorKey::new(b"secret").unwrap();
        let author = UserId::new();
        let text = position().encode(&key, author);
        assert!(PostPosition::decode(&text, &key, UserId::new()).is_err());
        let other = CursorKey::new(b"another").unwrap();
        assert!(PostPosition::decode(&text, &other, author).is_err());
    }
}
