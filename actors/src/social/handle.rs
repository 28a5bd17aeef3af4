//! How the edge writes and reads posts, likes and follows.

use std::collections::HashMap;
use std::time::Duration;

use super::actor::{Msg, Write};
use super::views::PostViews;
use crate::domain::{NewPost, PostId, PostView, Timestamp, UserId, WriteContext, Written};
use crate::error::Result;
use crate::feed::FeedHandle;
use crate::publisher::RelayHandle;
use crate::runtime::retry::RetrySettings;
use crate::runtime::{Pool, Reply};

/// A way to posts, likes and follows.
#[derive(Clone)]
pub struct SocialHandle {
    workers: Pool<Msg>,
    views: PostViews,
    relay: RelayHandle,
    feed: FeedHandle,
    deadline: Duration,
}

impl std::fmt::Debug for SocialHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocialHandle")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl SocialHandle {
    /// Writes through `workers`, reads through `views`; answers come within `deadline` or not at all.
    #[must_use]
    pub fn new(
        workers: Pool<Msg>,
        views: PostViews,
        relay: RelayHandle,
        feed: FeedHandle,
        deadline: Duration,
    ) -> Self {
        Self {
            workers,
            views,
            relay,
            feed,
            deadline,
        }
    }

    /// Writes a post.
    ///
    /// # Errors
    /// `IdempotencyConflict`, `IdempotencyInFlight`.
    pub async fn create_post(
        &self,
        author: UserId,
        new: NewPost,
        ctx: WriteContext,
    ) -> Result<Written<PostView>> {
        let written = self
            .write(author, ctx, |reply| Write::CreatePost { new, reply })
            .await?;
        let (post, replayed) = match written {
            Written::Fresh(post) => (post, false),
            Written::Replayed(post) => (post, true),
        };
        // The post is committed: what cannot be read beside it now is left out.
        let view = match self.views.views(vec![post.clone()], Some(author)).await {
            Ok(mut views) => views.pop(),
            Err(error) => {
                tracing::warn!(%error, "a new post is answered without its author");
                None
            }
        };
        let view = view.unwrap_or(PostView {
            post,
            author: None,
            liked: false,
        });
        Ok(if replayed {
            Written::Replayed(view)
        } else {
            Written::Fresh(view)
        })
    }

    /// Deletes one's own post.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub async fn delete_post(&self, id: PostId, by: UserId, ctx: WriteContext) -> Result<()> {
        self.write(by, ctx, |reply| Write::DeletePost { id, reply }).await
    }

    /// Likes a post, or does so no longer. Idempotent.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn set_like(&self, user: UserId, post: PostId, liked: bool, ctx: WriteContext) -> Result<()> {
        self.write(user, ctx, |reply| Write::SetLike { post, liked, reply })
            .await
            .map(|_| ())
    }

    /// Follows someone, or does so no longer. Idempotent.
    ///
    /// # Errors
    /// `NotFound`; `Validation` for oneself.
    pub async fn set_follow(
        &self,
        follower: UserId,
        followee: UserId,
        following: bool,
        ctx: WriteContext,
    ) -> Result<()> {
        let changed = self
            .write(follower, ctx, |reply| Write::SetFollow {
                followee,
                following,
                reply,
            })
            .await?;
        if changed {
            // The follow is committed; a feed that cannot be told yet shows it when its snapshot expires.
            let marked = RetrySettings::default()
                .run(|| self.feed.mark_dirty(follower))
                .await;
            if let Err(error) = marked {
                tracing::warn!(%error, "a feed could not be marked after a follow");
            }
        }
        Ok(())
    }

    /// See [`PostViews::post`].
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn post(&self, id: PostId, viewer: Option<UserId>) -> Result<PostView> {
        self.views.post(id, viewer).await
    }

    /// See [`PostViews::posts`].
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn posts(&self, ids: &[PostId], viewer: Option<UserId>) -> Result<HashMap<PostId, PostView>> {
        self.views.posts(ids, viewer).await
    }

    /// See [`PostViews::posts_by`].
    ///
    /// # Errors
    /// `NotFound` for an unknown author.
    pub async fn posts_by(
        &self,
        author: UserId,
        viewer: Option<UserId>,
        after: Option<(Timestamp, PostId)>,
        limit: u32,
    ) -> Result<Vec<PostView>> {
        self.views.posts_by(author, viewer, after, limit).await
    }

    async fn write<T>(
        &self,
        user: UserId,
        ctx: WriteContext,
        write: impl FnOnce(Reply<Result<T>>) -> Write,
    ) -> Result<T> {
        let worker = self.workers.for_key(&user);
        let done = worker
            .call(self.deadline, |reply| Msg::write(user, ctx, write(reply)))
            .await??;
        self.relay.wake();
        Ok(done)
    }
}
