//! The reading side: one query for each question of the feed, its parameters bound by the server.

use std::cmp::Reverse;

use async_trait::async_trait;
use clickhouse::Row;
use clickhouse::serde::uuid as as_uuid;
use nova_actors::Result;
use nova_actors::domain::feed::{Candidate, PostFeatures};
use nova_actors::domain::{PostId, Timestamp, UserId};
use nova_actors::ports::analytics::{Features, FeedSource};
use serde::Deserialize;
use uuid::Uuid;

use super::ClickHouseAnalytics;

const FOLLOWEES: &str = include_str!("../../../../migrations/clickhouse/queries/followees.sql");
const TRENDING: &str = include_str!("../../../../migrations/clickhouse/queries/trending.sql");
const AFFINITY: &str = include_str!("../../../../migrations/clickhouse/queries/affinity.sql");
const FEATURES: &str = include_str!("../../../../migrations/clickhouse/queries/features.sql");

#[derive(Debug, Row, Deserialize)]
struct PostRow {
    #[serde(with = "as_uuid")]
    id: Uuid,
    #[serde(with = "as_uuid")]
    author_id: Uuid,
    created_ms: i64,
}

#[derive(Debug, Row, Deserialize)]
struct TrendingRow {
    #[serde(with = "as_uuid")]
    id: Uuid,
    #[serde(with = "as_uuid")]
    author_id: Uuid,
    created_ms: i64,
    weight: u64,
}

/// See the query for the kinds.
#[derive(Debug, Row, Deserialize)]
struct FigureRow {
    kind: u8,
    #[serde(with = "as_uuid")]
    id: Uuid,
    first: u64,
    second: u64,
}

#[async_trait]
impl FeedSource for ClickHouseAnalytics {
    async fn followees(
        &self,
        reader: UserId,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        if per_author == 0 || limit == 0 {
            return Ok(Vec::new());
        }
        let query = self
            .server
            .read("feed.followees", FOLLOWEES)
            .param("reader", text(reader.uuid()))
            .param("since", millis(since))
            .param("per_author", per_author)
            .param("limit", limit);
        Ok(newest_first(self.server.rows(query).await?))
    }

    async fn trending(&self, since: Timestamp, limit: u32) -> Result<Vec<Candidate>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let query = self
            .server
            .read("feed.trending", TRENDING)
            .param("since", millis(since))
            .param("limit", limit);
        let mut rows: Vec<TrendingRow> = self.server.rows(query).await?;
        rows.sort_unstable_by_key(|row| Reverse((row.weight, row.created_ms, row.id)));
        let candidates = rows
            .into_iter()
            .map(|row| candidate(row.id, row.author_id, row.created_ms));
        Ok(candidates.collect())
    }

    async fn affinity(
        &self,
        reader: UserId,
        interacted_since: Timestamp,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        if per_author == 0 || limit == 0 {
            return Ok(Vec::new());
        }
        let query = self
            .server
            .read("feed.affinity", AFFINITY)
            .param("reader", text(reader.uuid()))
            .param("interacted_since", millis(interacted_since))
            .param("since", millis(since))
            .param("per_author", per_author)
            .param("limit", limit);
        Ok(newest_first(self.server.rows(query).await?))
    }

    async fn features(
        &self,
        reader: UserId,
        posts: &[PostId],
        authors: &[UserId],
        since: Timestamp,
    ) -> Result<Features> {
        if posts.is_empty() && authors.is_empty() {
            return Ok(Features::default());
        }
        let posts: Vec<String> = posts.iter().map(|id| text(id.uuid())).collect();
        let authors: Vec<String> = authors.iter().map(|id| text(id.uuid())).collect();
        let query = self
            .server
            .read("feed.features", FEATURES)
            .param("reader", text(reader.uuid()))
            .param("posts", posts)
            .param("authors", authors)
            .param("since", millis(since));
        Ok(features(self.server.rows(query).await?))
    }

    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>> {
        self.ledger.watermark(pipeline).await
    }
}

fn features(rows: Vec<FigureRow>) -> Features {
    let mut features = Features::default();
    for row in rows {
        match row.kind {
            0 => {
                let figures = figures_of(&mut features, row.id);
                (figures.likes, figures.comments) = (row.first, row.second);
            }
            1 => {
                let figures = figures_of(&mut features, row.id);
                (figures.impressions, figures.shares) = (row.first, row.second);
            }
            _ => {
                features.interactions.insert(UserId::from_uuid(row.id), row.first);
            }
        }
    }
    features
}

fn figures_of(features: &mut Features, post: Uuid) -> &mut PostFeatures {
    features.posts.entry(PostId::from_uuid(post)).or_default()
}

/// The server picks by the same order; the rows of one answer come in any.
fn newest_first(mut rows: Vec<PostRow>) -> Vec<Candidate> {
    rows.sort_unstable_by_key(|row| Reverse((row.created_ms, row.id)));
    rows.into_iter()
        .map(|row| candidate(row.id, row.author_id, row.created_ms))
        .collect()
}

fn candidate(post: Uuid, author: Uuid, created_ms: i64) -> Candidate {
    Candidate {
        post_id: PostId::from_uuid(post),
        author_id: UserId::from_uuid(author),
        created_at: Timestamp::from_millis(created_ms),
    }
}

fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}

/// The tables hold no time before 1970, and `DateTime64` overflows long before an `i64`.
fn millis(since: Timestamp) -> i64 {
    const LAST: i64 = 4_291_747_200_000;
    since.millis().clamp(0, LAST)
}
