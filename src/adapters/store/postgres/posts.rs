//! Reads of the social graph.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::domain::feed::Candidate;
use nova_actors::domain::{Post, PostId, Timestamp, UserId};
use nova_actors::ports::store::PostReader;
use sqlx::Row;
use uuid::Uuid;

use super::PostgresStore;
use super::rows::{self, post_columns};
use super::time::Time;

/// Later than every post.
const ALWAYS: Timestamp = Timestamp::from_millis(i64::MAX);

pub(super) const POSTS: &str = concat!(
    "select ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id
     where p.deleted_at is null and p.id = any($1)"
);
pub(super) const LIKED: &str = "select l.post_id from likes l join posts p on p.id = l.post_id
     where l.user_id = $1 and l.post_id = any($2) and p.deleted_at is null";
pub(super) const POSTS_BY: &str = concat!(
    "select ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id
     where p.author_id = $1 and p.deleted_at is null and (p.created_at, p.id) < ($2, $3)
     order by p.created_at desc, p.id desc limit $4"
);
pub(super) const RECENT: &str = "select id, author_id, created_at from posts
     where deleted_at is null and author_id <> $1 order by created_at desc, id desc limit $2";
/// Reads at most `per_author` index entries of each followee and partition.
pub(super) const FOLLOWEE_POSTS: &str = "select p.id, p.author_id, p.created_at
     from follows f cross join lateral (
         select own.id, own.author_id, own.created_at from posts own
         where own.author_id = f.followee_id and own.deleted_at is null and own.created_at >= $2
         order by own.created_at desc, own.id desc limit $3) p
     where f.follower_id = $1
     order by p.created_at desc, p.id desc limit $4";
pub(super) const FOLLOWERS: &str = "select follower_id from follows
     where followee_id = $1 and follower_id > $2 order by follower_id limit $3";

#[async_trait]
impl PostReader for PostgresStore {
    async fn posts(&self, ids: &[PostId]) -> Result<HashMap<PostId, Post>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = rows::id_list(ids, PostId::uuid);
        let found = self.all(sqlx::query(POSTS).bind(ids)).await?;
        rows::each(&found, |row| rows::post(row).map(|post| (post.id, post)))
    }

    async fn liked(&self, user: UserId, ids: &[PostId]) -> Result<HashSet<PostId>> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let ids = rows::id_list(ids, PostId::uuid);
        let liked = sqlx::query(LIKED).bind(user.uuid()).bind(ids);
        rows::each(&self.all(liked).await?, |row| {
            row.try_get("post_id").map(PostId::from_uuid)
        })
    }

    async fn posts_by(
        &self,
        author: UserId,
        after: Option<(Timestamp, PostId)>,
        limit: u32,
    ) -> Result<Vec<Post>> {
        let (at, id) = after.map_or((ALWAYS, Uuid::max()), |(at, id)| (at, id.uuid()));
        let posts = sqlx::query(POSTS_BY)
            .bind(author.uuid())
            .bind(Time(at))
            .bind(id)
            .bind(i64::from(limit));
        rows::each(&self.all(posts).await?, rows::post)
    }

    async fn recent(&self, except: UserId, limit: u32) -> Result<Vec<Candidate>> {
        let recent = sqlx::query(RECENT).bind(except.uuid()).bind(i64::from(limit));
        rows::each(&self.all(recent).await?, rows::candidate)
    }

    async fn followee_posts(
        &self,
        reader: UserId,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        let posts = sqlx::query(FOLLOWEE_POSTS)
            .bind(reader.uuid())
            .bind(Time(since))
            .bind(i64::from(per_author))
            .bind(i64::from(limit));
        rows::each(&self.all(posts).await?, rows::candidate)
    }

    async fn followers(&self, author: UserId, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>> {
        let followers = sqlx::query(FOLLOWERS)
            .bind(author.uuid())
            .bind(after.map_or(Uuid::nil(), UserId::uuid))
            .bind(i64::from(limit));
        rows::each(&self.all(followers).await?, |row| {
            row.try_get("follower_id").map(UserId::from_uuid)
        })
    }
}
