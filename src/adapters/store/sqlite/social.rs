//! Writes of the social graph: posts, likes and follows, each with its change-log rows.

use async_trait::async_trait;
use nova_actors::domain::{NewPost, Post, PostId, Timestamp, UserId, WriteContext, Written};
use nova_actors::ports::store::SocialStore;
use nova_actors::{Error, Kind, Result};
use sqlx::Row;
use uuid::Uuid;

use super::SqliteStore;
use super::rows::{self, number, post_columns, signed, time};
use super::write::Write;
use crate::adapters::store::images::{self, Counters, Follow, Like};

const POST: &str = concat!(
    "select p.deleted_at, ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id where p.id = ?1"
);

#[async_trait]
impl SocialStore for SqliteStore {
    /// Fails with `NotFound` when the author does not exist.
    async fn create_post(
        &self,
        author: UserId,
        new: &NewPost,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<Post>> {
        let mut write = self.begin().await?;
        if let Some(answer) = write.answered(ctx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        let post = Post {
            id: PostId::new(),
            author_id: author,
            text: new.text.clone(),
            media_url: new.media_url.clone(),
            created_at: now,
            likes: 0,
            comments: 0,
        };
        insert_post(&mut write, &post).await?;
        write.log(images::post_created(&post), ctx, now).await?;
        let counters = insert_counters(&mut write, post.id, now).await?;
        write.log(counters.created(), ctx, now).await?;
        write.finish(ctx, now, &post).await?;
        Ok(Written::Fresh(post))
    }

    async fn delete_post(&self, id: PostId, by: UserId, ctx: &WriteContext, now: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        if write.answered::<()>(ctx, now).await?.is_some() {
            return Ok(());
        }
        let (post, deleted) = find_post(&mut write, id).await?;
        if post.author_id != by {
            return Err(Error::new(Kind::Forbidden, "only its author may delete a post"));
        }
        if !deleted {
            sqlx::query("update posts set deleted_at = ?2 where id = ?1")
                .bind(id.uuid())
                .bind(now.millis())
                .execute(write.statement())
                .await
                .map_err(|e| self.failure(e))?;
            write.log(images::post_deleted(&post, now), ctx, now).await?;
        }
        write.finish(ctx, now, &()).await
    }

    async fn set_like(
        &self,
        user: UserId,
        post: PostId,
        liked: bool,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<bool> {
        let mut write = self.begin().await?;
        if let Some(answer) = write.answered(ctx, now).await? {
            return Ok(answer);
        }
        let (found, deleted) = find_post(&mut write, post).await?;
        if deleted {
            return Err(Error::not_found("post"));
        }
        let like = if liked {
            insert_like(&mut write, user, &found, now).await?
        } else {
            delete_like(&mut write, user, post).await?
        };
        if let Some(like) = like {
            write.log(like.changed(liked), ctx, now).await?;
            count_like(&mut write, post, liked, ctx, now).await?;
        }
        write.finish(ctx, now, &like.is_some()).await?;
        Ok(like.is_some())
    }

    async fn set_follow(
        &self,
        follower: UserId,
        followee: UserId,
        following: bool,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<bool> {
        if follower == followee {
            return Err(Error::field("user_id", "another user than yourself"));
        }
        let mut write = self.begin().await?;
        if let Some(answer) = write.answered(ctx, now).await? {
            return Ok(answer);
        }
        let follow = if following {
            insert_follow(&mut write, follower, followee, now).await?
        } else {
            delete_follow(&mut write, follower, followee).await?
        };
        if let Some(follow) = follow {
            write.log(follow.changed(following), ctx, now).await?;
        }
        write.finish(ctx, now, &follow.is_some()).await?;
        Ok(follow.is_some())
    }
}

/// Names the missing user when that is why a row was refused.
fn refused(write: &Write<'_>, error: sqlx::Error) -> Error {
    let missing = error
        .as_database_error()
        .is_some_and(|e| e.is_foreign_key_violation());
    if missing {
        Error::not_found("user").with_source(error)
    } else {
        write.failure(error)
    }
}

async fn insert_post(write: &mut Write<'_>, post: &Post) -> Result<()> {
    sqlx::query("insert into posts (id, author_id, text, media_url, created_at) values (?1, ?2, ?3, ?4, ?5)")
        .bind(post.id.uuid())
        .bind(post.author_id.uuid())
        .bind(post.text.clone())
        .bind(post.media_url.clone())
        .bind(post.created_at.millis())
        .execute(write.statement())
        .await
        .map_err(|e| refused(write, e))?;
    Ok(())
}

async fn insert_counters(write: &mut Write<'_>, post_id: PostId, now: Timestamp) -> Result<Counters> {
    sqlx::query("insert into post_counters (post_id, updated_at) values (?1, ?2)")
        .bind(post_id.uuid())
        .bind(now.millis())
        .execute(write.statement())
        .await
        .map_err(|e| write.failure(e))?;
    Ok(Counters {
        post_id,
        likes: 0,
        comments: 0,
        updated_at: now,
    })
}

/// The post, and whether it has been deleted.
async fn find_post(write: &mut Write<'_>, id: PostId) -> Result<(Post, bool)> {
    let row = sqlx::query(POST)
        .bind(id.uuid())
        .fetch_optional(write.statement())
        .await
        .map_err(|e| write.failure(e))?
        .ok_or_else(|| Error::not_found("post"))?;
    let deleted = row.try_get::<Option<i64>, _>("deleted_at").map(|at| at.is_some());
    let found = rows::post(&row).and_then(|post| deleted.map(|deleted| (post, deleted)));
    found.map_err(|e| write.failure(e))
}

/// `None` when it was there already.
async fn insert_like(
    write: &mut Write<'_>,
    user: UserId,
    post: &Post,
    now: Timestamp,
) -> Result<Option<Like>> {
    let inserted = sqlx::query(
        "insert into likes (user_id, post_id, post_author_id, created_at) values (?1, ?2, ?3, ?4)
         on conflict (user_id, post_id) do nothing",
    )
    .bind(user.uuid())
    .bind(post.id.uuid())
    .bind(post.author_id.uuid())
    .bind(now.millis())
    .execute(write.statement())
    .await
    .map_err(|e| refused(write, e))?;
    Ok((inserted.rows_affected() == 1).then_some(Like {
        user_id: user,
        post_id: post.id,
        post_author_id: post.author_id,
        created_at: now,
    }))
}

/// `None` when there was none.
async fn delete_like(write: &mut Write<'_>, user: UserId, post: PostId) -> Result<Option<Like>> {
    let row = sqlx::query(
        "delete from likes where user_id = ?1 and post_id = ?2 returning post_author_id, created_at",
    )
    .bind(user.uuid())
    .bind(post.uuid())
    .fetch_optional(write.statement())
    .await
    .map_err(|e| write.failure(e))?;
    let Some(row) = row else { return Ok(None) };
    let like = || -> sqlx::Result<Like> {
        Ok(Like {
            user_id: user,
            post_id: post,
            post_author_id: UserId::from_uuid(row.try_get("post_author_id")?),
            created_at: time(&row, "created_at")?,
        })
    };
    like().map(Some).map_err(|e| write.failure(e))
}

/// Counts one like more or less, with the change-log row.
async fn count_like(
    write: &mut Write<'_>,
    post: PostId,
    liked: bool,
    ctx: &WriteContext,
    now: Timestamp,
) -> Result<()> {
    let row = sqlx::query("select likes, comments, updated_at from post_counters where post_id = ?1")
        .bind(post.uuid())
        .fetch_one(write.statement())
        .await
        .map_err(|e| write.failure(e))?;
    let before = || -> sqlx::Result<Counters> {
        Ok(Counters {
            post_id: post,
            likes: number(&row, "likes")?,
            comments: number(&row, "comments")?,
            updated_at: time(&row, "updated_at")?,
        })
    };
    let before = before().map_err(|e| write.failure(e))?;
    let likes = if liked {
        before.likes.checked_add(1)
    } else {
        before.likes.checked_sub(1)
    };
    let after = Counters {
        likes: likes.ok_or_else(|| Error::internal("the count of likes is not the number of likes"))?,
        updated_at: now,
        ..before
    };
    sqlx::query("update post_counters set likes = ?2, updated_at = ?3 where post_id = ?1")
        .bind(post.uuid())
        .bind(signed(after.likes))
        .bind(now.millis())
        .execute(write.statement())
        .await
        .map_err(|e| write.failure(e))?;
    write.log(before.updated(after), ctx, now).await
}

/// `None` when it was there already.
async fn insert_follow(
    write: &mut Write<'_>,
    follower: UserId,
    followee: UserId,
    now: Timestamp,
) -> Result<Option<Follow>> {
    let inserted = sqlx::query(
        "insert into follows (follower_id, followee_id, created_at) values (?1, ?2, ?3)
         on conflict (follower_id, followee_id) do nothing",
    )
    .bind(follower.uuid())
    .bind(followee.uuid())
    .bind(now.millis())
    .execute(write.statement())
    .await
    .map_err(|e| refused(write, e))?;
    Ok((inserted.rows_affected() == 1).then_some(Follow {
        follower_id: follower,
        followee_id: followee,
        created_at: now,
    }))
}

/// `None` when there was none.
async fn delete_follow(write: &mut Write<'_>, follower: UserId, followee: UserId) -> Result<Option<Follow>> {
    let row =
        sqlx::query("delete from follows where follower_id = ?1 and followee_id = ?2 returning created_at")
            .bind(follower.uuid())
            .bind(followee.uuid())
            .fetch_optional(write.statement())
            .await
            .map_err(|e| write.failure(e))?;
    let Some(row) = row else {
        exists(write, followee).await?;
        return Ok(None);
    };
    Ok(Some(Follow {
        follower_id: follower,
        followee_id: followee,
        created_at: time(&row, "created_at").map_err(|e| write.failure(e))?,
    }))
}

async fn exists(write: &mut Write<'_>, user: UserId) -> Result<()> {
    sqlx::query_scalar::<_, Uuid>("select id from users where id = ?1")
        .bind(user.uuid())
        .fetch_optional(write.statement())
        .await
        .map_err(|e| write.failure(e))?
        .map(|_| ())
        .ok_or_else(|| Error::not_found("user"))
}
