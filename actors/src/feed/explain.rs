//! Why a post is where it is: everything needed to compute its score again.

use serde::Serialize;

use super::ranking::{Parts, Weights};
use super::snapshot::Snapshot;
use crate::domain::PostId;
use crate::domain::feed::Source;

/// The place of one post in a reader's feed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The post.
    pub post_id: PostId,
    /// What ordered it.
    pub ranker: &'static str,
    /// The weighted sum of the parts.
    pub score: f64,
    /// Its place in the ranking, counted from 0.
    pub position: usize,
    /// The parts of the score.
    pub parts: Parts,
    /// What each part counts for.
    pub weights: Weights,
    /// What the parts were made from.
    pub inputs: ExplainedInputs,
    /// Who proposed it.
    pub sources: Vec<Source>,
    /// What could have kept it out.
    pub filters: Vec<Filter>,
}

/// Inputs of a score, as they were when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExplainedInputs {
    /// Age of the post in hours.
    pub age_hours: f64,
    /// Likes.
    pub likes: u64,
    /// Comments.
    pub comments: u64,
    /// Shares.
    pub shares: u64,
    /// How often it was on a screen.
    pub impressions: u64,
    /// The reader's interactions with the author in 90 days.
    pub interactions: u64,
}

/// A filter and what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// What it keeps out: `own`, `deleted`.
    pub name: &'static str,
    /// Whether the post came through.
    pub passed: bool,
}

/// Explains `post`, which exists; `None` when it is not in the snapshot.
pub(super) fn explain(snapshot: &Snapshot, post: PostId) -> Option<Explanation> {
    let origin = &snapshot.origin;
    let found = |entry: &super::snapshot::Entry| entry.candidate.post_id == post;
    let position = snapshot.entries.iter().position(found)?;
    let entry = &snapshot.entries[position];
    let inputs = entry.inputs(origin.built_at);
    let figures = inputs.features;
    Some(Explanation {
        post_id: post,
        ranker: origin.ranker.as_str(),
        score: entry.score,
        position,
        parts: inputs.parts(),
        weights: origin.ranker.weights(),
        inputs: ExplainedInputs {
            age_hours: inputs.age_hours(),
            likes: figures.likes,
            comments: figures.comments,
            shares: figures.shares,
            impressions: figures.impressions,
            interactions: inputs.interactions,
        },
        sources: entry.sources.iter().collect(),
        // Own posts never become entries, and a deleted one would not have been found.
        filters: ["own", "deleted"]
            .map(|name| Filter { name, passed: true })
            .to_vec(),
    })
}
