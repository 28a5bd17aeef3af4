//! The caller's feed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use nova_actors::domain::PostId;
use nova_actors::feed::{Explanation, FeedItem, FeedPage, FeedRequest};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::PostBody;
use super::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::http::extract::{Member, Query, clamped};
use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// A post in a feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedItem)]
pub(super) struct FeedItemBody {
    #[serde(flatten)]
    post: PostBody,
    /// What the item is: `post`.
    kind: &'static str,
    /// Its score when it was ranked.
    score: f64,
    /// Who proposed it.
    source: Vec<&'static str>,
    /// Why it is here, for people.
    reasons: Vec<String>,
}

impl From<FeedItem> for FeedItemBody {
    fn from(item: FeedItem) -> Self {
        Self {
            post: item.post.into(),
            kind: "post",
            score: item.score,
            source: item.sources.iter().map(|source| source.as_str()).collect(),
            reasons: item.reasons,
        }
    }
}

/// Up to when each pipeline's input is in the ranking, in milliseconds since 1970; `null` when unknown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Watermark)]
pub(super) struct WatermarkBody {
    #[schema(required)]
    cdc: Option<i64>,
    #[schema(required)]
    events: Option<i64>,
}

/// A page of the caller's feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedPage)]
pub(super) struct FeedPageBody {
    items: Vec<FeedItemBody>,
    /// Where the next page starts; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// What ordered the items.
    ranker: &'static str,
    /// How good the answer is: `fresh`, `stale`, `partial`, `store`, `chrono`, `trending` or `empty`.
    rung: &'static str,
    /// Rules of variety that the candidates could not keep.
    relaxed: Vec<&'static str>,
    /// What was missing.
    degraded: Vec<String>,
    /// Whether there is a newer ranking than the one that this page is from.
    newer_available: bool,
    watermark: WatermarkBody,
}

impl From<FeedPage> for FeedPageBody {
    fn from(page: FeedPage) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next_cursor,
            ranker: page.ranker,
            rung: page.rung.as_str(),
            relaxed: page.relaxed,
            degraded: page.degraded,
            newer_available: page.newer_available,
            watermark: WatermarkBody {
                cdc: page.watermark.cdc.map(|at| at.millis()),
                events: page.watermark.events.map(|at| at.millis()),
            },
        }
    }
}

/// One number for each part of a score.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScoreParts {
    freshness: f64,
    engagement: f64,
    affinity: f64,
}

/// What the parts of a score were made from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScoreInputs {
    age_hours: f64,
    likes: u64,
    comments: u64,
    shares: u64,
    impressions: u64,
    /// The caller's interactions with the author in 90 days.
    interactions: u64,
}

/// What could have kept a post out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FilterOutcome {
    name: &'static str,
    passed: bool,
}

/// Why a post is where it is: enough to compute its score again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(super) struct ExplanationBody {
    post_id: Uuid,
    ranker: &'static str,
    score: f64,
    /// Place in the ranking, from 0.
    position: u64,
    parts: ScoreParts,
    weights: ScoreParts,
    inputs: ScoreInputs,
    sources: Vec<&'static str>,
    filters: Vec<FilterOutcome>,
}

impl From<Explanation> for ExplanationBody {
    fn from(why: Explanation) -> Self {
        Self {
            post_id: why.post_id.uuid(),
            ranker: why.ranker,
            score: why.score,
            position: u64::try_from(why.position).unwrap_or(u64::MAX),
            parts: ScoreParts {
                freshness: why.parts.freshness,
                engagement: why.parts.engagement,
                affinity: why.parts.affinity,
            },
            weights: ScoreParts {
                freshness: why.weights.freshness,
                engagement: why.weights.engagement,
                affinity: why.weights.affinity,
            },
            inputs: ScoreInputs {
                age_hours: why.inputs.age_hours,
                likes: why.inputs.likes,
                comments: why.inputs.comments,
                shares: why.inputs.shares,
                impressions: why.inputs.impressions,
                interactions: why.inputs.interactions,
            },
            sources: why.sources.iter().map(|source| source.as_str()).collect(),
            filters: why
                .filters
                .into_iter()
                .map(|filter| FilterOutcome {
                    name: filter.name,
                    passed: filter.passed,
                })
                .collect(),
        }
    }
}

/// A page of the caller's feed
///
/// Pages of one ranking neither repeat nor skip, whatever is ranked meanwhile.
#[utoipa::path(get, operation_id = "get_feed", path = "/feed", tag = "feed", security(("bearer" = [])),
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 when absent; brought into range"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("algo" = Option<String>, Query, description = "Ranker to use"),
        ("source" = Option<String>, Query, description = "Where candidates come from, where that may be chosen"),
    ),
    responses(
        (status = 200, description = "A page", body = FeedPageBody),
        (status = 410, description = "The ranking behind the cursor is gone"),
    ))]
pub(super) async fn page(
    State(state): State<EdgeState>,
    Member(user): Member,
    query: Query,
) -> Result<Json<FeedPageBody>, Problem> {
    let request = FeedRequest {
        reader: user.id,
        limit: clamped(query.number("limit")?, DEFAULT_LIMIT, 1, MAX_LIMIT),
        cursor: query.text("cursor")?.map(str::to_owned),
        algo: query.text("algo")?.map(str::to_owned),
        source: query.text("source")?.map(str::to_owned),
    };
    Ok(Json(state.feed.page(request).await?.into()))
}

/// Why a post is where it is in the caller's feed
#[utoipa::path(get, operation_id = "explain_feed", path = "/feed/explain", tag = "feed", security(("bearer" = [])),
    params(("post_id" = uuid::Uuid, Query, description = "The post")),
    responses(
        (status = 200, description = "The explanation", body = ExplanationBody),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn explain(
    State(state): State<EdgeState>,
    Member(user): Member,
    query: Query,
) -> Result<Json<ExplanationBody>, Problem> {
    let post: PostId = query
        .text("post_id")?
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::field("post_id", "the id of a post"))?;
    Ok(Json(state.feed.explain(user.id, post).await?.into()))
}

/// Have the caller's feed ranked anew
///
/// Cursors that were given out stay good.
#[utoipa::path(post, operation_id = "invalidate_feed", path = "/feed/invalidate", tag = "feed", security(("bearer" = [])),
    responses((status = 204, description = "The next first page is ranked anew")))]
pub(super) async fn invalidate(
    State(state): State<EdgeState>,
    Member(user): Member,
) -> Result<StatusCode, Problem> {
    state.feed.invalidate(user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
