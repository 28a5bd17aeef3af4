//! The write worker: one write of a user at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::queue::{Admission, Job, Queue};
use crate::domain::{IdempotencyKey, NewPost, Post, PostId, UserId, WriteContext, Written};
use crate::error::{Error, Kind, Result};
use crate::ports::Clock;
use crate::ports::store::SocialStore;
use crate::runtime::{Actor, Ctx, Held, Reply, within};

/// What a worker starts with.
#[derive(Clone)]
pub struct SocialArgs {
    /// Where writes go.
    pub store: Arc<dyn SocialStore>,
    /// Stamps writes.
    pub clock: Arc<dyn Clock>,
    /// Longest time for one write.
    pub deadline: Duration,
}

impl std::fmt::Debug for SocialArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocialArgs")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// One write, with where to answer.
#[derive(Debug)]
pub(super) enum Write {
    CreatePost {
        new: NewPost,
        reply: Reply<Result<Written<Post>>>,
    },
    DeletePost {
        id: PostId,
        reply: Reply<Result<()>>,
    },
    SetLike {
        post: PostId,
        liked: bool,
        reply: Reply<Result<bool>>,
    },
    SetFollow {
        followee: UserId,
        following: bool,
        reply: Reply<Result<bool>>,
    },
}

/// The worker's mailbox; made by its handle only.
#[derive(Debug)]
pub struct Msg(MsgKind);

#[derive(Debug)]
enum MsgKind {
    Write {
        user: UserId,
        ctx: WriteContext,
        write: Write,
    },
    Done(UserId),
}

impl Msg {
    pub(super) const fn write(user: UserId, ctx: WriteContext, write: Write) -> Self {
        Self(MsgKind::Write { user, ctx, write })
    }
}

/// The place in the mailbox goes with the write, so that what waits here counts against the mailbox's bound.
/// Names the dependency in errors.
const STORE: &str = "the store";

type Work = (WriteContext, Write, Held);

/// See the module's card.
#[derive(Debug)]
pub struct SocialWorker {
    args: SocialArgs,
    queue: Queue<Work>,
    done: u64,
}

impl Actor for SocialWorker {
    type Msg = Msg;
    type Args = SocialArgs;

    const KIND: &'static str = "social";

    fn init(args: SocialArgs, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            args,
            queue: Queue::default(),
            done: 0,
        })
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Write {
                user,
                ctx: context,
                write,
            } => {
                let key: Option<IdempotencyKey> = context.idempotency.clone();
                match self.queue.add(Job {
                    user,
                    key,
                    work: (context, write, ctx.hold()),
                }) {
                    Admission::Run(work) => self.run(user, work, ctx),
                    Admission::Queued => {}
                    Admission::InFlight((_, write, _)) => write.refuse(Error::new(
                        Kind::IdempotencyInFlight,
                        "a request with this idempotency key is still running",
                    )),
                }
            }
            MsgKind::Done(user) => {
                self.done += 1;
                while let Some(next) = self.queue.finish(user) {
                    // Whoever went away does not know the outcome; doing nothing is one of the two.
                    if !next.1.is_abandoned() {
                        self.run(user, next, ctx);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn stopping(&mut self, ctx: &mut Ctx<Self>) {
        ctx.finish_tasks(self.args.deadline).await;
    }

    fn snapshot(&self) -> Value {
        json!({ "waiting_or_running": self.queue.len(), "done": self.done })
    }
}

impl SocialWorker {
    fn run(&self, user: UserId, (context, write, place): Work, ctx: &mut Ctx<Self>) {
        let work = write.perform(self.args.clone(), user, context);
        let work = async move {
            work.await;
            drop(place);
        };
        ctx.run(work, move |()| Msg(MsgKind::Done(user)));
    }
}

impl Write {
    fn perform(self, args: SocialArgs, user: UserId, ctx: WriteContext) -> BoxFuture<'static, ()> {
        let (store, now, deadline) = (args.store, args.clock.now(), args.deadline);
        Box::pin(async move {
            match self {
                Self::CreatePost { new, reply } => {
                    reply.send(within(STORE, deadline, store.create_post(user, &new, &ctx, now)).await);
                }
                Self::DeletePost { id, reply } => {
                    reply.send(within(STORE, deadline, store.delete_post(id, user, &ctx, now)).await);
                }
                Self::SetLike { post, liked, reply } => {
                    reply.send(within(STORE, deadline, store.set_like(user, post, liked, &ctx, now)).await);
                }
                Self::SetFollow {
                    followee,
                    following,
                    reply,
                } => {
                    reply.send(
                        within(
                            STORE,
                            deadline,
                            store.set_follow(user, followee, following, &ctx, now),
                        )
                        .await,
                    );
                }
            }
        })
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::CreatePost { reply, .. } => reply.is_closed(),
            Self::DeletePost { reply, .. } => reply.is_closed(),
            Self::SetLike { reply, .. } | Self::SetFollow { reply, .. } => reply.is_closed(),
        }
    }

    fn refuse(self, error: Error) {
        match self {
            Self::CreatePost { reply, .. } => reply.send(Err(error)),
            Self::DeletePost { reply, .. } => reply.send(Err(error)),
            Self::SetLike { reply, .. } | Self::SetFollow { reply, .. } => reply.send(Err(error)),
        }
    }
}
