//! Posts of the social feed.

use serde::{Deserialize, Serialize};

use super::validate::Checks;
use super::{PostId, Timestamp, User, UserId};
use crate::error::Result;

/// A post with its absolute counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Identity.
    pub id: PostId,
    /// Who wrote it.
    pub author_id: UserId,
    /// 1 to 2,000 characters.
    pub text: String,
    /// Attached picture or video, by URL.
    pub media_url: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// People who like it now.
    pub likes: u64,
    /// Comments that exist now.
    pub comments: u64,
}

/// A post as one viewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostView {
    /// The post.
    pub post: Post,
    /// Its author, when the directory knows one.
    pub author: Option<User>,
    /// Whether the viewer likes it.
    pub liked: bool,
}

/// A post about to be written; only [`NewPost::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewPost {
    /// See [`Post::text`].
    pub text: String,
    /// See [`Post::media_url`].
    pub media_url: Option<String>,
}

impl NewPost {
    /// Checks what an author sent.
    ///
    /// # Errors
    /// `Validation` naming each broken field.
    pub fn parse(text: String, media_url: Option<String>) -> Result<Self> {
        let mut checks = Checks::new();
        checks.text("text", &text, 1..=2_000);
        checks.url("media_url", media_url.as_deref());
        checks.finish()?;
        Ok(Self { text, media_url })
    }
}
