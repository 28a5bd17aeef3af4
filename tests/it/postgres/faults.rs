//! Sessions that are killed, a server that is away, one that is silent, and statements that take too long.

use std::time::Duration;

use futures_util::future::join_all;
use nova::adapters::store::postgres::{PostgresOptions, PostgresStore};
use nova_actors::Kind;
use nova_actors::domain::WriteContext;
use nova_actors::ports::store::{PendingChanges, PostReader, StreamStore};
use tokio::time::Instant;

use super::load::{Load, assert_conserved};
use super::proxy::Proxy;
use super::server::OwnServer;
use super::{PostgresDatabase, kind, start, user};
use crate::harness::{PATIENCE, eventually};

const WRITERS: usize = 4;

impl PostgresDatabase {
    /// Ends every session of Nova in this database; answers how many there were.
    async fn end_sessions(&self) -> usize {
        let ended = self
            .rows(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'nova'",
            )
            .await;
        ended.len()
    }
}

fn hasty(url: String) -> PostgresOptions {
    PostgresOptions {
        url,
        max_connections: 1,
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(400),
    }
}

/// `Ok` when `load` has got `count` more acknowledgements than it had.
async fn gets_on(load: &Load, count: u64) {
    let goal = load.acknowledged() + count;
    eventually("writes are acknowledged", PATIENCE, async || {
        match load.acknowledged() {
            now if now >= goal => Ok(()),
            now => Err(format!("{now} of {goal}, {} failed", load.failed())),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_killed_in_the_middle_lose_nothing_acknowledged() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let author = user(&store, "ana").await.unwrap().id;
    let load = Load::default();
    let writers = join_all((0..WRITERS).map(|_| load.write(&store, author)));
    let trouble = async {
        let mut ended = 0;
        for _ in 0..10 {
            gets_on(&load, 5).await;
            ended += database.end_sessions().await;
        }
        gets_on(&load, 5).await;
        load.stop();
        ended
    };
    let (done, ended) = tokio::join!(writers, trouble);
    assert!(ended >= 10, "{ended}");
    assert_conserved(&store, &done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_loses_nothing_acknowledged_and_is_found_again() {
    let mut server = OwnServer::start().await;
    let options = PostgresOptions {
        url: server.url(),
        max_connections: 4,
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_secs(5),
    };
    let store = PostgresStore::connect(&options).await.unwrap();
    store.migrate().await.unwrap();
    let author = user(&store, "ana").await.unwrap().id;
    assert!(store.lead().await.unwrap());
    let load = Load::default();
    let writers = join_all((0..WRITERS).map(|_| load.write(&store, author)));
    let trouble = async {
        for _ in 0..2 {
            gets_on(&load, 20).await;
            server.kill();
            let failed = load.failed();
            eventually("writes fail", PATIENCE, async || {
                (load.failed() >= failed + 8)
                    .then_some(())
                    .ok_or_else(|| "they do not".to_owned())
            })
            .await;
            let (begun, led) = (Instant::now(), store.lead().await);
            assert_eq!(kind(led), Kind::Unavailable);
            assert!(begun.elapsed() < PATIENCE);
            server.up().await;
            gets_on(&load, 20).await;
            assert!(store.lead().await.unwrap(), "nobody else is there");
        }
        load.stop();
    };
    let (done, ()) = tokio::join!(writers, trouble);
    assert_conserved(&store, &done).await;
    store.close().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_within_the_time_for_a_connection() {
    // A port that nobody listens on, because nobody else is given it while this holds it.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://nova@127.0.0.2:{}/nova",
        held.local_addr().unwrap().port()
    );
    let store = PostgresStore::connect(&hasty(url)).await.unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(kind(store.live(None, 1, 1).await), Kind::Unavailable);
        assert_eq!(kind(store.lead().await), Kind::Unavailable);
        assert_eq!(kind(store.migrate().await), Kind::Unavailable);
        assert_eq!(kind(store.inspect().await), Kind::Unavailable);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_costs_its_connections_and_nothing_else() {
    let database = PostgresDatabase::migrated().await;
    let url = database.url();
    let (scheme, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let proxy = Proxy::to(address.to_owned()).await;
    let through = format!("{scheme}@{}/{name}", proxy.address());
    let store = PostgresStore::connect(&hasty(through)).await.unwrap();
    assert_eq!(store.live(None, 1, 1).await.unwrap().total, 0);
    assert!(store.lead().await.unwrap());

    proxy.fall_silent();
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(kind(store.live(None, 1, 1).await), Kind::Unavailable);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    // A caller with less patience than the store leaves a connection that answers no more.
    let left = tokio::time::timeout(Duration::from_millis(50), store.live(None, 1, 1));
    left.await.unwrap_err();
    assert_eq!(kind(store.lead().await), Kind::Unavailable);

    proxy.speak();
    eventually("the server is found again", PATIENCE, async || {
        let live = store.live(None, 1, 1).await;
        live.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_frees_its_connection() {
    let database = PostgresDatabase::migrated().await;
    database
        .run(
            "create function slow() returns trigger language plpgsql as
                 $$ begin perform pg_sleep(600); return new; end $$;
             create trigger slow before insert on live_streams for each row execute function slow()",
        )
        .await;
    let store = PostgresStore::connect(&hasty(database.url())).await.unwrap();
    let plain = WriteContext::untracked();
    assert_eq!(kind(start(&store, &plain).await), Kind::Unavailable);
    assert_eq!(store.live(None, 1, 1).await.unwrap().total, 0);

    // Nor does one whose caller went away keep the only connection.
    let left = tokio::time::timeout(Duration::from_millis(100), start(&store, &plain));
    left.await.unwrap_err();
    eventually("the connection is free", PATIENCE, async || {
        let live = store.live(None, 1, 1).await;
        live.map(drop).map_err(|error| error.to_string())
    })
    .await;
    assert!(store.outbox(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lock_that_someone_else_holds_ends_in_time() {
    let database = PostgresDatabase::migrated().await;
    let store = PostgresStore::connect(&hasty(database.url())).await.unwrap();
    let mut other = database.session().await;
    super::database::run(&mut other, "begin; lock table posts in access exclusive mode").await;
    let author = user(&store, "ana").await.unwrap().id;
    let read = store.posts_by(author, None, 1);
    assert_eq!(kind(read.await), Kind::Unavailable);
    super::database::run(&mut other, "rollback").await;
    assert!(store.posts_by(author, None, 1).await.unwrap().is_empty());
}
