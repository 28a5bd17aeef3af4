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

/// How good an answer the feed could give: the ladder, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Ranked from every source, lately.
    Fresh,
    /// Ranked from every source, a while ago; a new ranking is under way.
    Stale,
    /// A source or the figures are missing; `degraded` names them.
    Partial,
    /// Analytics gave nothing; ranked from the store.
    Store,
    /// Newest posts: asked for, or there was nothing to rank by.
    Chrono,
    /// No posts; `degraded` says why.
    Empty,
}

impl Rung {
    /// The word used in answers, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Partial => "partial",
            Self::Store => "store",
            Self::Chrono => "chrono",
            Self::Empty => "empty",
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
