//! Reads of the social graph.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::domain::feed::Candidate;
use nova_actors::domain::{Post, PostId, Timestamp, UserId};
use nova_actors::ports::store::PostReader;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::rows::{self, post_columns};

const POSTS: &str = concat!(
    "select ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id
     where p.deleted_at is null and p.id in (select unhex(value) from json_each(?1))"
);
const LIKED: &str = "select l.post_id from likes l join posts p on p.id = l.post_id
     where l.user_id = ?1 and l.post_id in (select unhex(value) from json_each(?2)) and p.deleted_at is null";
pub(super) const POSTS_BY: &str = concat!(
    "select ",
    post_columns!(),
    " from posts p join post_counters c on c.post_id = p.id
     where p.author_id = ?1 and p.deleted_at is null and (p.created_at, p.id) < (?2, ?3)
     order by p.created_at desc, p.id desc limit ?4"
);
pub(super) const RECENT: &str = "select id, author_id, created_at from posts
     where deleted_at is null and author_id <> ?1 order by created_at desc, id desc limit ?2";
/// Reads at most `per_author` index entries of each followee; `cross join` keeps the followees outermost.
pub(super) const FOLLOWEE_POSTS: &str = "select p.id, p.author_id, p.created_at
     from follows f cross join posts p on p.id in (
         select own.id from posts own
         where own.author_id = f.followee_id and own.deleted_at is null and own.created_at >= ?2
         order by own.created_at desc, own.id desc limit ?3)
     where f.follower_id = ?1
     order by p.created_at desc, p.id desc limit ?4";

pub(super) const FOLLOWERS: &str = "select follower_id from follows
     where followee_id = ?1 and follower_id > ?2 order by follower_id limit ?3";

#[async_trait]
impl PostReader for SqliteStore {
    async fn posts(&self, ids: &[PostId]) -> Result<HashMap<PostId, Post>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = sqlx::query(POSTS)
            .bind(rows::id_list(ids.iter().map(|id| id.uuid())))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(|row| rows::post(row).map(|post| (post.id, post)))
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    async fn liked(&self, user: UserId, ids: &[PostId]) -> Result<HashSet<PostId>> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = sqlx::query(LIKED)
            .bind(user.uuid())
            .bind(rows::id_list(ids.iter().map(|id| id.uuid())))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(|row| row.try_get("post_id").map(PostId::from_uuid))
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    async fn posts_by(
        &self,
        author: UserId,
        after: Option<(Timestamp, PostId)>,
        limit: u32,
    ) -> Result<Vec<Post>> {
        let (at, id) = after.map_or((i64::MAX, Uuid::max()), |(at, id)| (at.millis(), id.uuid()));
        let rows = sqlx::query(POSTS_BY)
            .bind(author.uuid())
            .bind(at)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(rows::post)
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    async fn recent(&self, except: UserId, limit: u32) -> Result<Vec<Candidate>> {
        let rows = sqlx::query(RECENT)
            .bind(except.uuid())
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        self.candidates(&rows)
    }

    async fn followee_posts(
        &self,
        reader: UserId,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        let rows = sqlx::query(FOLLOWEE_POSTS)
            .bind(reader.uuid())
            .bind(since.millis())
            .bind(i64::from(per_author))
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        self.candidates(&rows)
    }

    async fn followers(&self, author: UserId, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>> {
        let rows = sqlx::query(FOLLOWERS)
            .bind(author.uuid())
            .bind(after.map_or(Uuid::nil(), UserId::uuid))
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(|row| row.try_get("follower_id").map(UserId::from_uuid))
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }
}

impl SqliteStore {
    fn candidates(&self, rows: &[SqliteRow]) -> Result<Vec<Candidate>> {
        rows.iter()
            .map(rows::candidate)
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }
}
