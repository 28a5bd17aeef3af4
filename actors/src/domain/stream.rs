//! The live stream's life cycle: `live -> ended`, and nothing else.

use serde::{Deserialize, Serialize};

use super::validate::Checks;
use super::{StreamId, Timestamp, UserId};
use crate::error::Result;

/// Why a live stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedReason {
    /// The streamer ended it.
    Ended,
    /// Its owner showed no life for `streams.abandon_after`.
    Abandoned,
}

impl EndedReason {
    /// The word used in stores, records and REST.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One broadcast as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStream {
    /// Identity.
    pub id: StreamId,
    /// The streamer.
    pub creator_id: UserId,
    /// 1 to 140 characters.
    pub title: String,
    /// Up to 2,000 characters.
    pub description: String,
    /// One of the configured categories.
    pub category: String,
    /// Picture, if any.
    pub thumbnail_url: Option<String>,
    /// When it went live.
    pub started_at: Timestamp,
    /// When it ended; `None` while live.
    pub ended_at: Option<Timestamp>,
    /// Why it ended; `None` while live.
    pub ended_reason: Option<EndedReason>,
    /// Names the broadcast's event sequence; a viewer's resume position is only good within it.
    pub epoch: String,
    /// Viewers when last stored.
    pub viewers: u64,
    /// Most viewers at one time.
    pub peak_viewers: u64,
    /// Different people, when last stored.
    pub unique_viewers: u64,
    /// Last sign of life of the owner.
    pub owner_seen_at: Timestamp,
}

impl LiveStream {
    /// Whether it is running.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.ended_at.is_none()
    }
}

/// Viewer figures stored with a live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ViewerTotals {
    /// Connected now.
    pub viewers: u64,
    /// Most at one time.
    pub peak: u64,
    /// Different people.
    pub unique: u64,
}

/// A live stream about to start; only [`NewStream::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewStream {
    /// See [`LiveStream::title`].
    pub title: String,
    /// See [`LiveStream::description`].
    pub description: String,
    /// See [`LiveStream::category`].
    pub category: String,
    /// See [`LiveStream::thumbnail_url`].
    pub thumbnail_url: Option<String>,
}

impl NewStream {
    /// Checks what a streamer sent.
    ///
    /// # Errors
    /// `Validation` naming each broken field.
    pub fn parse(
        title: String,
        description: Option<String>,
        category: String,
        thumbnail_url: Option<String>,
        categories: &[String],
    ) -> Result<Self> {
        let description = description.unwrap_or_default();
        let mut checks = Checks::new();
        checks.text("title", &title, 1..=140);
        checks.text("description", &description, 0..=2_000);
        checks.one_of("category", &category, categories);
        checks.url("thumbnail_url", thumbnail_url.as_deref());
        checks.finish()?;
        Ok(Self {
            title,
            description,
            category,
            thumbnail_url,
        })
    }
}

/// A change of a running live stream; absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamPatch {
    /// New title.
    pub title: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New category.
    pub category: Option<String>,
    /// New picture; `Some(None)` removes it.
    pub thumbnail_url: Option<Option<String>>,
}

impl StreamPatch {
    /// Checks the fields that are present.
    ///
    /// # Errors
    /// `Validation` naming each broken field.
    pub fn check(&self, categories: &[String]) -> Result<()> {
        let mut checks = Checks::new();
        if let Some(title) = &self.title {
            checks.text("title", title, 1..=140);
        }
        if let Some(description) = &self.description {
            checks.text("description", description, 0..=2_000);
        }
        if let Some(category) = &self.category {
            checks.one_of("category", category, categories);
        }
        checks.url(
            "thumbnail_url",
            self.thumbnail_url.as_ref().and_then(|u| u.as_deref()),
        );
        checks.finish()
    }
}

/// One page of the live list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePage {
    /// Newest first, then id descending.
    pub streams: Vec<LiveStream>,
    /// How many live streams match, on any page.
    pub total: u64,
}
