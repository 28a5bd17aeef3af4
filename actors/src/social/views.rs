//! Posts as readers see them: with author and the reader's own like, in batches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{Post, PostId, PostView, Timestamp, UserId};
use crate::error::{Error, Result};
use crate::feed::Hydrate;
use crate::loader::{PostLoader, UserLoader};
use crate::ports::store::PostReader;

/// Reads of posts through the loaders.
#[derive(Clone)]
pub struct PostViews {
    posts: PostLoader,
    users: UserLoader,
    reader: Arc<dyn PostReader>,
}

impl std::fmt::Debug for PostViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostViews")
    }
}

impl PostViews {
    /// Reads through these loaders; likes and author pages come from `reader`.
    #[must_use]
    pub fn new(posts: PostLoader, users: UserLoader, reader: Arc<dyn PostReader>) -> Self {
        Self { posts, users, reader }
    }

    /// The posts that exist among `ids`: at most three queries however many there are.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn posts(&self, ids: &[PostId], viewer: Option<UserId>) -> Result<HashMap<PostId, PostView>> {
        let posts = self.posts.load_many(ids.to_vec()).await?;
        let views = self.views(posts.into_values().collect(), viewer).await?;
        Ok(views.into_iter().map(|view| (view.post.id, view)).collect())
    }

    /// One post.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn post(&self, id: PostId, viewer: Option<UserId>) -> Result<PostView> {
        self.posts(&[id], viewer)
            .await?
            .remove(&id)
            .ok_or_else(|| Error::not_found("post"))
    }

    /// An author's posts, newest first, strictly after `after`.
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
        if self.users.load(author).await?.is_none() {
            return Err(Error::not_found("user"));
        }
        let posts = self.reader.posts_by(author, after, limit).await?;
        self.views(posts, viewer).await
    }

    pub(super) async fn views(&self, posts: Vec<Post>, viewer: Option<UserId>) -> Result<Vec<PostView>> {
        let ids: Vec<_> = posts.iter().map(|post| post.id).collect();
        let authors = posts.iter().map(|post| post.author_id).collect();
        let liked = async {
            match viewer {
                Some(viewer) => self.reader.liked(viewer, &ids).await,
                None => Ok(HashSet::new()),
            }
        };
        let (users, liked) = tokio::try_join!(self.users.load_many(authors), liked)?;
        let view = |post: Post| PostView {
            author: users.get(&post.author_id).cloned(),
            liked: liked.contains(&post.id),
            post,
        };
        Ok(posts.into_iter().map(view).collect())
    }
}

#[async_trait]
impl Hydrate for PostViews {
    async fn hydrate(&self, ids: &[PostId], viewer: UserId) -> Result<HashMap<PostId, PostView>> {
        self.posts(ids, Some(viewer)).await
    }
}
