//! The invalidator: reads followers page by page and marks their feeds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::handle::InvalidatorHandle;
use super::waiting::Round;
use crate::domain::UserId;
use crate::error::Result;
use crate::feed::FeedHandle;
use crate::ports::store::PostReader;
use crate::runtime::retry::{Pauses, RetrySettings};
use crate::runtime::{Actor, Ctx, within};

const MAX_FOLLOWERS: usize = 10_000;
const PAGE: u32 = 500;
const DEADLINE: Duration = Duration::from_secs(30);

/// What the invalidator starts with.
#[derive(Clone)]
pub struct InvalidatorArgs {
    /// Its own handle, which keeps who is still to be told.
    pub handle: InvalidatorHandle,
    /// Knows who follows whom.
    pub posts: Arc<dyn PostReader>,
    /// Owns the snapshots.
    pub feed: FeedHandle,
    /// Pauses after failures.
    pub retry: RetrySettings,
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
    Wake,
    Told(Round, Result<usize>),
    TryAgain,
}

impl Msg {
    pub(super) const fn wake() -> Self {
        Self(MsgKind::Wake)
    }
}

/// See the module's card.
#[derive(Debug)]
pub struct Invalidator {
    args: InvalidatorArgs,
    busy: bool,
    pauses: Pauses,
    told: usize,
    last_error: Option<String>,
}

impl Actor for Invalidator {
    type Msg = Msg;
    type Args = InvalidatorArgs;

    const KIND: &'static str = "invalidator";

    fn init(args: InvalidatorArgs, _: &mut Ctx<Self>) -> Result<Self> {
        let pauses = args.retry.pauses();
        Ok(Self {
            args,
            busy: false,
            pauses,
            told: 0,
            last_error: None,
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        self.tell_next(ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Wake => self.tell_next(ctx),
            MsgKind::Told(round, Ok(told)) => {
                self.args.handle.waiting.told(round);
                self.busy = false;
                self.told += told;
                self.last_error = None;
                self.pauses.reset();
                self.tell_next(ctx);
            }
            MsgKind::Told(_, Err(error)) => {
                let pause = self.pauses.next_pause();
                tracing::warn!(%error, ?pause, "followers cannot be told of new posts yet");
                self.last_error = Some(error.to_string());
                // Stays busy, so that nothing but the timer starts the next attempt.
                ctx.after(pause, Msg(MsgKind::TryAgain));
            }
            MsgKind::TryAgain => {
                self.busy = false;
                self.tell_next(ctx);
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        let waiting = self.args.handle.waiting.len();
        json!({ "waiting": waiting, "told": self.told, "last_error": self.last_error })
    }
}

impl Invalidator {
    fn tell_next(&mut self, ctx: &mut Ctx<Self>) {
        if self.busy {
            return;
        }
        let Some(round) = self.args.handle.waiting.next() else {
            return;
        };
        self.busy = true;
        let args = self.args.clone();
        let work = async move { within("telling followers", DEADLINE, tell(args, round.0)).await };
        ctx.run(work, move |outcome| Msg(MsgKind::Told(round, outcome)));
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
