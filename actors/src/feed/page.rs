//! Pages: a stretch of a snapshot with its posts looked up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::cursor::{Cursor, CursorKey};
use super::request::Plan;
use super::saturation::broken;
use super::settings::FeedSettings;
use super::snapshot::{Entry, NO_POSTS, Snapshot, Watermark};
use crate::domain::feed::{Rung, Source};
use crate::domain::{PostId, PostView, Timestamp, UserId};
use crate::error::Result;
use crate::runtime::within;

/// A page with many posts that are gone is filled up with later ones in at most this many look-ups; it may
/// be short then.
const LOOKUPS: usize = 4;

/// Gives posts as a reader sees them now: with their author, and with the reader's own like.
#[async_trait]
pub trait Hydrate: Send + Sync {
    /// The posts that exist among `ids`.
    async fn hydrate(&self, ids: &[PostId], viewer: UserId) -> Result<HashMap<PostId, PostView>>;
}

/// A post of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedItem {
    /// The post as the reader sees it now.
    pub post: PostView,
    /// Its score when it was ranked.
    pub score: f64,
    /// Who proposed it.
    pub sources: Vec<Source>,
    /// Why it is here, in words for people.
    pub reasons: Vec<String>,
}

/// A page of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedPage {
    /// In order.
    pub items: Vec<FeedItem>,
    /// Where the next page starts; `None` at the end.
    pub next_cursor: Option<String>,
    /// What ordered the posts.
    pub ranker: &'static str,
    /// How good the answer is.
    pub rung: Rung,
    /// Rules of saturation that do not hold on this page.
    pub relaxed: Vec<&'static str>,
    /// What was missing; for an empty feed, why it is empty.
    pub degraded: Vec<String>,
    /// Whether a newer ranking exists than the one that this page is from.
    pub newer_available: bool,
    /// What the ranking had seen of the world.
    pub watermark: Watermark,
}

/// A snapshot as it is about to be served.
#[derive(Debug, Clone)]
pub(super) struct Serving {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) rung: Rung,
    pub(super) newer_available: bool,
    pub(super) now: Timestamp,
}

/// Cuts pages from snapshots.
#[derive(Clone)]
pub(super) struct Pager {
    hydrate: Arc<dyn Hydrate>,
    key: CursorKey,
    deadline: Duration,
    cursor_ttl: Duration,
    snapshot_ttl: Duration,
}

/// Entries that were found, and how far the snapshot was consumed.
struct Filled {
    items: Vec<(Entry, PostView)>,
    next: usize,
    failed: bool,
}

impl Pager {
    pub(super) fn new(hydrate: Arc<dyn Hydrate>, key: CursorKey, settings: &FeedSettings) -> Self {
        Self {
            hydrate,
            key,
            deadline: settings.hydrate_deadline,
            cursor_ttl: settings.cursor_ttl,
            snapshot_ttl: snapshot_ttl(settings),
        }
    }

    /// The page that `plan` asks for. It is empty, with the reason, when the posts cannot be looked up.
    pub(super) async fn page(&self, plan: &Plan, serving: &Serving) -> Result<FeedPage> {
        let snapshot = &serving.snapshot;
        let from = plan.cursor.map_or(0, |cursor| usize::from(cursor.position));
        let filled = self.fill(plan, snapshot, from).await;
        let mut page = FeedPage {
            items: Vec::with_capacity(filled.items.len()),
            next_cursor: None,
            ranker: snapshot.origin.ranker.as_str(),
            rung: serving.rung,
            relaxed: relaxed(snapshot, from, &filled.items),
            degraded: snapshot.origin.degraded.clone(),
            newer_available: serving.newer_available,
            watermark: snapshot.origin.watermark,
        };
        let nothing = filled.items.is_empty();
        if nothing && (filled.failed || from == 0) {
            page.rung = Rung::Empty;
            if filled.failed {
                page.degraded.push("posts".to_owned());
            } else if page.degraded.is_empty() {
                page.degraded.push(NO_POSTS.to_owned());
            }
        }
        let ended = filled.next >= snapshot.entries.len();
        // A first page that could not be looked up has nothing to go on from.
        let lost = nothing && filled.failed && from == 0;
        if !(ended || lost) {
            page.next_cursor = Some(self.cursor(plan.reader, serving, filled.next)?);
        }
        page.items = filled
            .items
            .into_iter()
            .map(|(entry, post)| item(&entry, post))
            .collect();
        Ok(page)
    }

    /// A post as `viewer` sees it now, if it still exists.
    pub(super) async fn post(&self, id: PostId, viewer: UserId) -> Result<Option<PostView>> {
        let mut found = within("the store", self.deadline, self.hydrate.hydrate(&[id], viewer)).await?;
        Ok(found.remove(&id))
    }

    async fn fill(&self, plan: &Plan, snapshot: &Snapshot, from: usize) -> Filled {
        let mut filled = Filled {
            items: Vec::new(),
            next: from.min(snapshot.entries.len()),
            failed: false,
        };
        for _ in 0..LOOKUPS {
            let chunk = &snapshot.entries[filled.next..];
            let chunk = &chunk[..chunk.len().min(plan.limit)];
            if chunk.is_empty() || filled.items.len() == plan.limit {
                break;
            }
            let ids: Vec<PostId> = chunk.iter().map(|entry| entry.candidate.post_id).collect();
            let found = within(
                "the store",
                self.deadline,
                self.hydrate.hydrate(&ids, plan.reader),
            )
            .await;
            let mut found = match found {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "the posts of a feed page could not be looked up");
                    filled.failed = true;
                    break;
                }
            };
            for entry in chunk {
                if filled.items.len() == plan.limit {
                    break;
                }
                filled.next += 1;
                if let Some(post) = found.remove(&entry.candidate.post_id) {
                    filled.items.push((*entry, post));
                }
            }
        }
        filled
    }

    fn cursor(&self, reader: UserId, serving: &Serving, position: usize) -> Result<String> {
        let origin = &serving.snapshot.origin;
        let cursor = Cursor {
            generation: origin.generation,
            // A snapshot never has that many entries.
            position: u16::try_from(position).unwrap_or(u16::MAX),
            // Not beyond the life of the snapshot in the cache.
            expires_at: serving
                .now
                .plus(self.cursor_ttl)
                .min(origin.built_at.plus(self.snapshot_ttl)),
        };
        cursor.encode(&self.key, reader)
    }
}

/// How long a snapshot is kept: the last reader to get it may still page through it.
pub(super) fn snapshot_ttl(settings: &FeedSettings) -> Duration {
    settings.stale_for + settings.cursor_ttl
}

/// The rules that the page breaks, seen together with what the snapshot has before it.
fn relaxed(snapshot: &Snapshot, from: usize, items: &[(Entry, PostView)]) -> Vec<&'static str> {
    let from = from.min(snapshot.entries.len());
    let before = snapshot.entries[..from].iter();
    let authors: Vec<UserId> = before
        .chain(items.iter().map(|(entry, _)| entry))
        .map(|entry| entry.candidate.author_id)
        .collect();
    let rules = broken(&authors, from);
    rules.into_iter().map(super::saturation::Rule::as_str).collect()
}

fn item(entry: &Entry, post: PostView) -> FeedItem {
    let name = post
        .author
        .as_ref()
        .map_or("its author", |author| author.username.as_str());
    let reason = |source| match source {
        Source::Followees => format!("you follow {name}"),
        Source::Trending => "many people like it".to_owned(),
        Source::Affinity => format!("you often like posts by {name}"),
        Source::Recent => "it is new".to_owned(),
    };
    FeedItem {
        reasons: entry.sources.iter().map(reason).collect(),
        sources: entry.sources.iter().collect(),
        score: entry.score,
        post,
    }
}
