//! People and their identities.

use std::collections::HashMap;

use async_trait::async_trait;
use nova_actors::domain::{Identity, Profile, StreamId, Timestamp, User, UserId};
use nova_actors::ports::store::UserDirectory;
use nova_actors::{Error, Result};
use sqlx::Row;

use super::SqliteStore;
use super::rows::{self, number, user_columns};
use super::write::Write;
use crate::adapters::store::newcomer::{newcomer, usernames};

const USERS: &str = concat!(
    "select ",
    user_columns!(),
    " from users u where u.id in (select unhex(value) from json_each(?1))"
);
const BY_ID: &str = concat!("select ", user_columns!(), " from users u where u.id = ?1");
const BY_IDENTITY: &str = concat!(
    "select ",
    user_columns!(),
    " from user_identities i join users u on u.id = i.user_id where i.issuer = ?1 and i.subject = ?2"
);
const SURROUNDINGS: &str = "select
    (select count(*) from follows where followee_id = ?1) as followers,
    (select count(*) from follows where follower_id = ?1) as following,
    (select id from live_streams where creator_id = ?1 and ended_at is null) as live_stream_id";

#[async_trait]
impl UserDirectory for SqliteStore {
    async fn users(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = sqlx::query(USERS)
            .bind(rows::id_list(ids.iter().map(|id| id.uuid())))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(|row| rows::user(row).map(|user| (user.id, user)))
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    /// One statement for a known identity. A new one looks again under the write lock, so that calls at the
    /// same time give one user.
    async fn ensure(&self, identity: &Identity, now: Timestamp) -> Result<User> {
        let known = sqlx::query(BY_IDENTITY)
            .bind(identity.issuer.clone())
            .bind(identity.subject.clone())
            .fetch_optional(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        if let Some(row) = known {
            return rows::user(&row).map_err(|e| self.failure(e));
        }
        let mut write = self.begin().await?;
        let known = sqlx::query(BY_IDENTITY)
            .bind(identity.issuer.clone())
            .bind(identity.subject.clone())
            .fetch_optional(write.statement())
            .await
            .map_err(|e| self.failure(e))?;
        if let Some(row) = known {
            return rows::user(&row).map_err(|e| self.failure(e));
        }
        let user = insert_user(&mut write, identity, now).await?;
        sqlx::query(
            "insert into user_identities (issuer, subject, user_id, created_at) values (?1, ?2, ?3, ?4)",
        )
        .bind(identity.issuer.clone())
        .bind(identity.subject.clone())
        .bind(user.id.uuid())
        .bind(now.millis())
        .execute(write.statement())
        .await
        .map_err(|e| self.failure(e))?;
        write.commit().await?;
        Ok(user)
    }

    async fn profile(&self, id: UserId) -> Result<Option<Profile>> {
        let row = sqlx::query(BY_ID)
            .bind(id.uuid())
            .fetch_optional(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        let Some(row) = row else { return Ok(None) };
        let user = rows::user(&row).map_err(|e| self.failure(e))?;
        let row = sqlx::query(SURROUNDINGS)
            .bind(id.uuid())
            .fetch_one(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        let profile = || -> sqlx::Result<Profile> {
            Ok(Profile {
                user,
                followers: number(&row, "followers")?,
                following: number(&row, "following")?,
                live_stream_id: row
                    .try_get::<Option<_>, _>("live_stream_id")?
                    .map(StreamId::from_uuid),
            })
        };
        profile().map(Some).map_err(|e| self.failure(e))
    }
}

/// Inserts a user under the first of its names that is free.
async fn insert_user(write: &mut Write<'_>, identity: &Identity, now: Timestamp) -> Result<User> {
    let mut user = newcomer(identity, now);
    for username in usernames(&user.username.clone()) {
        let inserted = sqlx::query(
            "insert into users (id, username, display_name, avatar_url, bio, created_at)
             values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (username) do nothing",
        )
        .bind(user.id.uuid())
        .bind(username.clone())
        .bind(user.display_name.clone())
        .bind(user.avatar_url.clone())
        .bind(user.bio.clone())
        .bind(now.millis())
        .execute(write.statement())
        .await
        .map_err(|e| write.failure(e))?;
        if inserted.rows_affected() == 1 {
            user.username = username;
            return Ok(user);
        }
    }
    Err(Error::internal("no free username was found"))
}
