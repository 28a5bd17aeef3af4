//! Writes of the social graph: posts, likes and follows, each with its change-log rows.

use async_trait::async_trait;
use nova_actors::domain::{NewPost, Post, PostId, Timestamp, UserId, WriteContext, Written};
use nova_actors::ports::store::SocialStore;
use nova_actors::{Error, Kind, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::failure::{failure, lacks_partition, unless_user_is_missing};
use super::rows::{self, number, post_columns, time};
use super::time::Time;
use super::write::Write;
use super::{PostgresStore, Statement};
use crate::adapters::store::images::{self, Counters, Follow, Like};

const INSERT_POST: &str =
    "insert into posts (id, author_id, text, media_url, created_at) values ($1, $2, $3, $4, $5)";
const INSERT_COUNTERS: &str = "insert into post_counters (post_id, updated_at) values ($1, $2)";
const POST: &str = concat!(
    "select p.deleted_at, ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id where p.id = $1"
);
/// Whoever deletes a post first holds it until the change is committed.
const LOCKED: &str = concat!(
    "select p.deleted_at, ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id where p.id = $1 for no key update of p"
);
const INSERT_LIKE: &str = "insert into likes (user_id, post_id, post_author_id, created_at)
     values ($1, $2, $3, $4) on conflict (user_id, post_id) do nothing";
pub(super) const DELETE_LIKE: &str =
    "delete from likes where user_id = $1 and post_id = $2 returning post_author_id, created_at";
/// Adds $2 to the likes. The row is locked and read in its newest state first: that is the image before.
pub(super) const COUNT_LIKE: &str = "with old as (
         select post_id, likes, comments, updated_at from post_counters where post_id = $1 for no key update)
     update post_counters c set likes = c.likes + $2, updated_at = $3 from old where c.post_id = old.post_id
     returning old.likes as likes_before, old.updated_at as updated_before, c.likes, c.comments";
const INSERT_FOLLOW: &str = "insert into follows (follower_id, followee_id, created_at)
     values ($1, $2, $3) on conflict (follower_id, followee_id) do nothing";
const DELETE_FOLLOW: &str =
    "delete from follows where follower_id = $1 and followee_id = $2 returning created_at";

#[async_trait]
impl SocialStore for PostgresStore {
    /// Fails with `NotFound` when the author does not exist.
    async fn create_post(
        &self,
        author: UserId,
        new: &NewPost,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<Post>> {
        let post = Post {
            id: PostId::new(),
            author_id: author,
            text: new.text.clone(),
            media_url: new.media_url.clone(),
            created_at: now,
            likes: 0,
            comments: 0,
        };
        let mut write = self.begin().await?;
        if let Some(answer) = write.answered(ctx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        if let Err(error) = write.try_execute(insert_post(&post)).await {
            if !lacks_partition(&error) {
                return Err(unless_user_is_missing(error));
            }
            // The month has come before its partition.
            drop(write);
            self.partition_of(post.id).await?;
            write = self.begin().await?;
            if let Some(answer) = write.answered(ctx, now).await? {
                return Ok(Written::Replayed(answer));
            }
            let again = write.try_execute(insert_post(&post)).await;
            again.map_err(unless_user_is_missing)?;
        }
        let counters = insert_counters(&mut write, post.id, now).await?;
        let changes = vec![images::post_created(&post), counters.created()];
        write.log(changes, ctx, now).await?;
        write.finish(ctx, &post).await?;
        Ok(Written::Fresh(post))
    }

    async fn delete_post(&self, id: PostId, by: UserId, ctx: &WriteContext, now: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        if write.answered::<()>(ctx, now).await?.is_some() {
            return Ok(());
        }
        let (post, deleted) = found(write.optional(sqlx::query(LOCKED).bind(id.uuid())).await?)?;
        if post.author_id != by {
            return Err(Error::new(Kind::Forbidden, "only its author may delete a post"));
        }
        if !deleted {
            let delete = sqlx::query("update posts set deleted_at = $2 where id = $1");
            write.execute(delete.bind(id.uuid()).bind(Time(now))).await?;
            let change = images::post_deleted(&post, now);
            write.log(vec![change], ctx, now).await?;
        }
        write.finish(ctx, &()).await
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
        let (post, deleted) = found(write.optional(sqlx::query(POST).bind(post.uuid())).await?)?;
        if deleted {
            return Err(Error::not_found("post"));
        }
        let like = if liked {
            insert_like(&mut write, user, &post, now).await?
        } else {
            delete_like(&mut write, user, post.id).await?
        };
        if let Some(like) = like {
            let (before, after) = count_like(&mut write, post.id, liked, now).await?;
            let changes = vec![like.changed(liked), before.updated(after)];
            write.log(changes, ctx, now).await?;
        }
        write.finish(ctx, &like.is_some()).await?;
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
            write.log(vec![follow.changed(following)], ctx, now).await?;
        }
        write.finish(ctx, &follow.is_some()).await?;
        Ok(follow.is_some())
    }
}

fn insert_post(post: &Post) -> Statement {
    sqlx::query(INSERT_POST)
        .bind(post.id.uuid())
        .bind(post.author_id.uuid())
        .bind(post.text.clone())
        .bind(post.media_url.clone())
        .bind(Time(post.created_at))
}

async fn insert_counters(write: &mut Write<'_>, post_id: PostId, now: Timestamp) -> Result<Counters> {
    let insert = sqlx::query(INSERT_COUNTERS).bind(post_id.uuid()).bind(Time(now));
    write.execute(insert).await?;
    Ok(Counters {
        post_id,
        likes: 0,
        comments: 0,
        updated_at: now,
    })
}

/// The post, and whether it has been deleted.
fn found(row: Option<PgRow>) -> Result<(Post, bool)> {
    let row = row.ok_or_else(|| Error::not_found("post"))?;
    let deleted = rows::optional_time(&row, "deleted_at").map(|at| at.is_some());
    let found = rows::post(&row).and_then(|post| deleted.map(|deleted| (post, deleted)));
    found.map_err(failure)
}

/// `None` when it was there already.
async fn insert_like(
    write: &mut Write<'_>,
    user: UserId,
    post: &Post,
    now: Timestamp,
) -> Result<Option<Like>> {
    let insert = sqlx::query(INSERT_LIKE)
        .bind(user.uuid())
        .bind(post.id.uuid())
        .bind(post.author_id.uuid())
        .bind(Time(now));
    let inserted = write.try_execute(insert).await.map_err(unless_user_is_missing)?;
    Ok((inserted == 1).then_some(Like {
        user_id: user,
        post_id: post.id,
        post_author_id: post.author_id,
        created_at: now,
    }))
}

/// `None` when there was none.
async fn delete_like(write: &mut Write<'_>, user: UserId, post: PostId) -> Result<Option<Like>> {
    let delete = sqlx::query(DELETE_LIKE).bind(user.uuid()).bind(post.uuid());
    let Some(row) = write.optional(delete).await? else {
        return Ok(None);
    };
    let like = || -> sqlx::Result<Like> {
        Ok(Like {
            user_id: user,
            post_id: post,
            post_author_id: UserId::from_uuid(row.try_get("post_author_id")?),
            created_at: time(&row, "created_at")?,
        })
    };
    like().map(Some).map_err(failure)
}

/// Counts one like more or less; answers with the counters before and after.
async fn count_like(
    write: &mut Write<'_>,
    post: PostId,
    liked: bool,
    now: Timestamp,
) -> Result<(Counters, Counters)> {
    let count = sqlx::query(COUNT_LIKE)
        .bind(post.uuid())
        .bind(if liked { 1_i64 } else { -1 })
        .bind(Time(now));
    let row = write.one(count).await?;
    let counters = |likes: &str, updated_at| -> sqlx::Result<Counters> {
        Ok(Counters {
            post_id: post,
            likes: number(&row, likes)?,
            comments: number(&row, "comments")?,
            updated_at,
        })
    };
    let before = time(&row, "updated_before").and_then(|at| counters("likes_before", at));
    let both = before.and_then(|before| counters("likes", now).map(|after| (before, after)));
    both.map_err(failure)
}

/// `None` when it was there already.
async fn insert_follow(
    write: &mut Write<'_>,
    follower: UserId,
    followee: UserId,
    now: Timestamp,
) -> Result<Option<Follow>> {
    let insert = sqlx::query(INSERT_FOLLOW)
        .bind(follower.uuid())
        .bind(followee.uuid())
        .bind(Time(now));
    let inserted = write.try_execute(insert).await.map_err(unless_user_is_missing)?;
    Ok((inserted == 1).then_some(Follow {
        follower_id: follower,
        followee_id: followee,
        created_at: now,
    }))
}

/// `None` when there was none.
async fn delete_follow(write: &mut Write<'_>, follower: UserId, followee: UserId) -> Result<Option<Follow>> {
    let delete = sqlx::query(DELETE_FOLLOW)
        .bind(follower.uuid())
        .bind(followee.uuid());
    let Some(row) = write.optional(delete).await? else {
        let known = sqlx::query("select 1 from users where id = $1").bind(followee.uuid());
        let known = write.optional(known).await?;
        return known.map(|_| None).ok_or_else(|| Error::not_found("user"));
    };
    Ok(Some(Follow {
        follower_id: follower,
        followee_id: followee,
        created_at: time(&row, "created_at").map_err(failure)?,
    }))
}
