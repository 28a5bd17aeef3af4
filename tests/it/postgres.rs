//! What only Postgres has: plans, partitions, several processes, and a server that can go away.

mod atomicity;
mod database;
mod faults;
mod leading;
mod load;
mod order;
mod partitions;
mod plans;
mod proxy;
mod schema;
mod server;

use nova::adapters::store::postgres::PostgresStore;
use nova_actors::domain::{
    Identity, LiveStream, NewPost, NewStream, Post, Timestamp, User, UserId, WriteContext,
};
use nova_actors::ports::store::{SocialStore, StreamStore, UserDirectory};
use nova_actors::{Error, Kind, Result};

pub(crate) use database::PostgresDatabase;

/// `offset` milliseconds into the tests' time.
const fn at(offset: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + offset)
}

async fn user(store: &PostgresStore, name: &str) -> Result<User> {
    let identity = Identity {
        issuer: "https://id.example.org".to_owned(),
        subject: name.to_owned(),
        preferred_username: Some(name.to_owned()),
        name: None,
        picture: None,
    };
    store.ensure(&identity, at(0)).await
}

async fn start(store: &PostgresStore, ctx: &WriteContext) -> Result<LiveStream> {
    let new = NewStream {
        title: "on air".to_owned(),
        description: String::new(),
        category: "music".to_owned(),
        thumbnail_url: None,
    };
    let written = store.start(UserId::new(), &new, ctx, at(1)).await?;
    Ok(written.into_inner())
}

async fn post(store: &PostgresStore, author: UserId, ctx: &WriteContext) -> Result<Post> {
    let new = NewPost {
        text: "hello".to_owned(),
        media_url: None,
    };
    let written = store.create_post(author, &new, ctx, at(1)).await?;
    Ok(written.into_inner())
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Kind {
    outcome.unwrap_err().kind().clone()
}
