//! The reading side: one statement for each query of the feed.

use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::domain::feed::{Candidate, PostFeatures};
use nova_actors::domain::{PostId, Timestamp, UserId};
use nova_actors::ports::analytics::{Features, FeedSource};
use serde_json::Value;
use uuid::Uuid;

use super::SqliteAnalytics;

/// For each followee the newest posts by `posts_cdc_by_author`, then the newest of them all.
pub(super) const FOLLOWEES: &str = "
    select p.id, p.author_id, p.created_at
    from follows_cdc f
    join posts_cdc p on p.id in (
        select id from posts_cdc
        where author_id = f.followee_id and _deleted = 0 and created_at >= ?2
        order by created_at desc, id desc limit ?3)
    where f.follower_id = ?1 and f._deleted = 0 and f.followee_id <> ?1
    order by p.created_at desc, p.id desc limit ?4";

/// Likes and comments of the window by `likes_cdc_by_time` and `comments_cdc_by_time`, counted per post.
pub(super) const TRENDING: &str = "
    with reactions (post_id, weight) as (
        select post_id, 1 from likes_cdc where _deleted = 0 and created_at >= ?1
        union all
        select post_id, 2 from comments_cdc where _deleted = 0 and created_at >= ?1),
    counted (post_id, weight) as (select post_id, sum(weight) from reactions group by post_id)
    select p.id, p.author_id, p.created_at
    from counted join posts_cdc p on p.id = counted.post_id and p._deleted = 0
    order by counted.weight desc, p.created_at desc, p.id desc limit ?2";

/// The reader's 200 closest authors by `likes_cdc_by_user` and `comments_cdc_by_user`; then as `FOLLOWEES`.
pub(super) const AFFINITY: &str = "
    with interactions (author_id) as (
        select post_author_id from likes_cdc where user_id = ?1 and _deleted = 0 and created_at >= ?2
        union all
        select post_author_id from comments_cdc where user_id = ?1 and _deleted = 0 and created_at >= ?2),
    authors (author_id) as (
        select author_id from interactions where author_id <> ?1
        group by author_id order by count(*) desc, author_id limit 200)
    select p.id, p.author_id, p.created_at
    from authors
    join posts_cdc p on p.id in (
        select id from posts_cdc
        where author_id = authors.author_id and _deleted = 0 and created_at >= ?3
        order by created_at desc, id desc limit ?4)
    order by p.created_at desc, p.id desc limit ?5";

/// Kind 0: a post, its likes and comments. Kind 1: an author, the reader's interactions.
pub(super) const FEATURES: &str = "
    select 0, c.post_id, c.likes, c.comments
    from json_each(?2) asked join post_counters_cdc c on c.post_id = unhex(asked.value) and c._deleted = 0
    union all
    select 1, author_id, count(*), 0
    from (
        select post_author_id as author_id from likes_cdc
        where user_id = ?1 and _deleted = 0 and created_at >= ?4
        union all
        select post_author_id from comments_cdc
        where user_id = ?1 and _deleted = 0 and created_at >= ?4)
    where author_id in (select unhex(value) from json_each(?3))
    group by author_id";

#[async_trait]
impl FeedSource for SqliteAnalytics {
    async fn followees(
        &self,
        reader: UserId,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        if per_author == 0 || limit == 0 {
            return Ok(Vec::new());
        }
        let rows = sqlx::query_as(FOLLOWEES)
            .bind(reader.uuid())
            .bind(since.millis())
            .bind(per_author)
            .bind(limit)
            .fetch_all(self.db.read())
            .await;
        self.candidates(rows)
    }

    async fn trending(&self, since: Timestamp, limit: u32) -> Result<Vec<Candidate>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let rows = sqlx::query_as(TRENDING)
            .bind(since.millis())
            .bind(limit)
            .fetch_all(self.db.read())
            .await;
        self.candidates(rows)
    }

    async fn affinity(
        &self,
        reader: UserId,
        interacted_since: Timestamp,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        if per_author == 0 || limit == 0 {
            return Ok(Vec::new());
        }
        let rows = sqlx::query_as(AFFINITY)
            .bind(reader.uuid())
            .bind(interacted_since.millis())
            .bind(since.millis())
            .bind(per_author)
            .bind(limit)
            .fetch_all(self.db.read())
            .await;
        self.candidates(rows)
    }

    async fn features(
        &self,
        reader: UserId,
        posts: &[PostId],
        authors: &[UserId],
        since: Timestamp,
    ) -> Result<Features> {
        if posts.is_empty() && authors.is_empty() {
            return Ok(Features::default());
        }
        let rows: Vec<(i64, Uuid, i64, i64)> = sqlx::query_as(FEATURES)
            .bind(reader.uuid())
            .bind(list(posts.iter().map(|id| id.uuid())))
            .bind(list(authors.iter().map(|id| id.uuid())))
            .bind(since.millis())
            .fetch_all(self.db.read())
            .await
            .map_err(|e| self.db.failure(e))?;
        let mut features = Features::default();
        for (kind, id, first, second) in rows {
            if kind == 0 {
                let figures = PostFeatures {
                    likes: first.unsigned_abs(),
                    comments: second.unsigned_abs(),
                    ..PostFeatures::default()
                };
                features.posts.insert(PostId::from_uuid(id), figures);
            } else {
                let author = UserId::from_uuid(id);
                features.interactions.insert(author, first.unsigned_abs());
            }
        }
        Ok(features)
    }

    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>> {
        let (at,): (Option<i64>,) =
            sqlx::query_as("select min(watermark) from pipeline_partitions where pipeline = ?1")
                .bind(pipeline)
                .fetch_one(self.db.read())
                .await
                .map_err(|e| self.db.failure(e))?;
        Ok(at.map(Timestamp::from_millis))
    }
}

type CandidateRow = (Uuid, Uuid, i64);

impl SqliteAnalytics {
    fn candidates(&self, rows: sqlx::Result<Vec<CandidateRow>>) -> Result<Vec<Candidate>> {
        let rows = rows.map_err(|e| self.db.failure(e))?;
        let candidates = rows.into_iter().map(|(post, author, at)| Candidate {
            post_id: PostId::from_uuid(post),
            author_id: UserId::from_uuid(author),
            created_at: Timestamp::from_millis(at),
        });
        Ok(candidates.collect())
    }
}

/// Ids as a JSON array, so that one prepared statement takes any number of them.
fn list(ids: impl Iterator<Item = Uuid>) -> String {
    let ids: Vec<Value> = ids.map(|id| Value::String(id.simple().to_string())).collect();
    Value::Array(ids).to_string()
}
