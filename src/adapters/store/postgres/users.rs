//! People and their identities.

use std::collections::HashMap;

use async_trait::async_trait;
use nova_actors::domain::{Identity, Profile, StreamId, Timestamp, User, UserId};
use nova_actors::ports::store::UserDirectory;
use nova_actors::{Error, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::failure::failure;
use super::rows::{self, number, user_columns};
use super::time::Time;
use super::write::Write;
use super::{PostgresStore, Statement};
use crate::adapters::store::newcomer::{newcomer, usernames};

pub(super) const USERS: &str = concat!("select ", user_columns!(), " from users u where u.id = any($1)");
const BY_ID: &str = concat!("select ", user_columns!(), " from users u where u.id = $1");
pub(super) const BY_IDENTITY: &str = concat!(
    "select ",
    user_columns!(),
    " from user_identities i join users u on u.id = i.user_id where i.issuer = $1 and i.subject = $2"
);
pub(super) const SURROUNDINGS: &str = "select
    (select count(*) from follows where followee_id = $1) as followers,
    (select count(*) from follows where follower_id = $1) as following,
    (select id from live_streams where creator_id = $1 and ended_at is null) as live_stream_id";
const INSERT_USER: &str = "insert into users (id, username, display_name, avatar_url, bio, created_at)
     values ($1, $2, $3, $4, $5, $6) on conflict (username) do nothing";
const INSERT_IDENTITY: &str = "insert into user_identities (issuer, subject, user_id, created_at)
     values ($1, $2, $3, $4) on conflict (issuer, subject) do nothing";

#[async_trait]
impl UserDirectory for PostgresStore {
    async fn users(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = rows::id_list(ids, UserId::uuid);
        let found = self.all(sqlx::query(USERS).bind(ids)).await?;
        rows::each(&found, |row| rows::user(row).map(|user| (user.id, user)))
    }

    /// One statement for a known identity. Of calls at the same time for a new one, the first to write the
    /// identity makes the user; the others undo theirs and answer with that one.
    async fn ensure(&self, identity: &Identity, now: Timestamp) -> Result<User> {
        if let Some(row) = self.optional(by_identity(identity)).await? {
            return rows::user(&row).map_err(failure);
        }
        let mut write = self.begin().await?;
        let user = insert_user(&mut write, identity, now).await?;
        let named = sqlx::query(INSERT_IDENTITY)
            .bind(identity.issuer.clone())
            .bind(identity.subject.clone())
            .bind(user.id.uuid())
            .bind(Time(now));
        if write.execute(named).await? == 1 {
            write.commit().await?;
            return Ok(user);
        }
        drop(write);
        let row = self.one(by_identity(identity)).await?;
        rows::user(&row).map_err(failure)
    }

    async fn profile(&self, id: UserId) -> Result<Option<Profile>> {
        let user = sqlx::query(BY_ID).bind(id.uuid());
        let Some(row) = self.optional(user).await? else {
            return Ok(None);
        };
        let user = rows::user(&row).map_err(failure)?;
        let row = self.one(sqlx::query(SURROUNDINGS).bind(id.uuid())).await?;
        profile(user, &row).map(Some).map_err(failure)
    }
}

fn by_identity(identity: &Identity) -> Statement {
    sqlx::query(BY_IDENTITY)
        .bind(identity.issuer.clone())
        .bind(identity.subject.clone())
}

fn profile(user: User, row: &PgRow) -> sqlx::Result<Profile> {
    Ok(Profile {
        user,
        followers: number(row, "followers")?,
        following: number(row, "following")?,
        live_stream_id: row
            .try_get::<Option<_>, _>("live_stream_id")?
            .map(StreamId::from_uuid),
    })
}

/// Inserts a user under the first of its names that is free. A name that someone else is just taking is waited for.
async fn insert_user(write: &mut Write<'_>, identity: &Identity, now: Timestamp) -> Result<User> {
    let mut user = newcomer(identity, now);
    for username in usernames(&user.username.clone()) {
        let insert = sqlx::query(INSERT_USER)
            .bind(user.id.uuid())
            .bind(username.clone())
            .bind(user.display_name.clone())
            .bind(user.avatar_url.clone())
            .bind(user.bio.clone())
            .bind(Time(now));
        if write.execute(insert).await? == 1 {
            user.username = username;
            return Ok(user);
        }
    }
    Err(Error::internal("no free username was found"))
}
