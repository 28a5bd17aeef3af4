//! The invalidator: reads followers page by page and marks their feeds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::domain::UserId;
use crate::error::{Error, Kind, Result};
use crate::feed::FeedHandle;
use crate::ports::store::PostReader;
use crate::runtime::{Actor, Ctx};

const MAX_WAITING: usize = 10_000;
const MAX_FOLLOWERS: usize = 10_000;
const PAGE: u32 = 500;
const DEADLINE: Duration = Duration::from_secs(30);

/// What the invalidator starts with.
#[derive(Clone)]
pub struct InvalidatorArgs {
    /// Knows who follows whom.
    pub posts: Arc<dyn PostReader>,
    /// Owns the snapshots.
    pub feed: FeedHandle,
}

impl std::fmt::Debug for InvalidatorArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvalidatorArgs")
    }
}

/// The invalidator's mailbox; made by its handle only.
#[derive(Debug)]
pub struct Msg(MsgKind);

#[derive(Debug)]
enum MsgKind {
    Posted(Vec<UserId>),
    Told(Result<usize>),
}

impl Msg {
    pub(super) const fn posted(authors: Vec<UserId>) -> Self {
        Self(MsgKind::Posted(authors))
    }
}

/// See the module's card.
#[derive(Debug)]
pub struct Invalidator {
    args: InvalidatorArgs,
    waiting: VecDeque<UserId>,
    known: HashSet<UserId>,
    busy: bool,
    told: usize,
    left_out: usize,
}

impl Actor for Invalidator {
    type Msg = Msg;
    type Args = InvalidatorArgs;

    const KIND: &'static str = "invalidator";

    fn init(args: InvalidatorArgs, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            args,
            waiting: VecDeque::new(),
            known: HashSet::new(),
            busy: false,
            told: 0,
            left_out: 0,
        })
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Posted(authors) => {
                for author in authors {
                    if self.waiting.len() >= MAX_WAITING {
                        self.left_out += 1;
                    } else if self.known.insert(author) {
                        self.waiting.push_back(author);
                    }
                }
            }
            MsgKind::Told(outcome) => {
                self.busy = false;
                match outcome {
                    Ok(told) => self.told += told,
                    Err(error) => {
                        self.left_out += 1;
                        tracing::warn!(%error, "followers see new posts when their snapshots expire");
                    }
                }
            }
        }
        self.tell_next(ctx);
        Ok(())
    }

    fn snapshot(&self) -> Value {
        json!({ "waiting": self.waiting.len(), "told": self.told, "left_out": self.left_out })
    }
}

impl Invalidator {
    fn tell_next(&mut self, ctx: &mut Ctx<Self>) {
        if self.busy {
            return;
        }
        let Some(author) = self.waiting.pop_front() else {
            return;
        };
        // A post that lands from now on needs another round.
        self.known.remove(&author);
        self.busy = true;
        let args = self.args.clone();
        let late = || Error::new(Kind::Timeout, "telling followers took too long");
        let work = async move {
            timeout(DEADLINE, tell(args, author))
                .await
                .unwrap_or_else(|_| Err(late()))
        };
        ctx.run(work, |outcome| Msg(MsgKind::Told(outcome)));
    }
}

async fn tell(args: InvalidatorArgs, author: UserId) -> Result<usize> {
    let mut told = 0;
    let mut after = None;
    while told < MAX_FOLLOWERS {
        let followers = args.posts.followers(author, after, PAGE).await?;
        let Some(last) = followers.last() else { break };
        after = Some(*last);
        told += followers.len();
        let outcomes = join_all(followers.iter().map(|reader| args.feed.mark_dirty(*reader))).await;
        outcomes.into_iter().collect::<Result<Vec<()>>>()?;
    }
    Ok(told)
}
