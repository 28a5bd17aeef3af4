//! What the ranker works on: candidates, the features of each, and where they came from.

use serde::{Deserialize, Serialize};

use super::{PostId, Timestamp, UserId};

/// A source that proposed a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Someone the reader follows wrote it.
    Followees,
    /// Many people like it now.
    Trending,
    /// The reader has interacted with its author before.
    Affinity,
    /// It is recent; used when there is nothing to rank by.
    Recent,
}

impl Source {
    /// The word used in answers, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Followees => "followees",
            Self::Trending => "trending",
            Self::Affinity => "affinity",
            Self::Recent => "recent",
        }
    }
}

/// A post that may enter a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The post.
    pub post_id: PostId,
    /// Its author.
    pub author_id: UserId,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Numbers of one post that scoring needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PostFeatures {
    /// Likes now.
    pub likes: u64,
    /// Comments now.
    pub comments: u64,
    /// Shares.
    pub shares: u64,
    /// How often it was on a screen.
    pub impressions: u64,
}
