//! One ClickHouse server over HTTP: every request has a deadline on both sides.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nova_actors::{Error, Result};
use tokio::time::timeout;

use super::failure::{Doing, Ending, classify, ending, silent};
use super::url::Target;

const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Connections that were idle for longer are not used again; the server closes them after 3 s.
const IDLE: Duration = Duration::from_secs(2);

/// How long one request may take here; the server's own limit comes first, so that it stops working on what
/// nobody waits for.
#[derive(Debug, Clone, Copy)]
struct Limit {
    here: Duration,
    there: &'static str,
}

const READ: Limit = Limit {
    here: Duration::from_secs(3),
    there: "2",
};
const INSERT: Limit = Limit {
    here: Duration::from_secs(10),
    there: "9",
};
const SCHEMA: Limit = Limit {
    here: Duration::from_secs(60),
    there: "55",
};

/// Settings of reads, each given because servers have other defaults: one thread for each of the feed's parallel
/// queries, and nothing filtered before FINAL has picked the newest version.
const READ_SETTINGS: &[(&str, &str)] = &[
    ("max_threads", "1"),
    ("optimize_move_to_prewhere_if_final", "0"),
    ("do_not_merge_across_partitions_select_final", "0"),
];
/// Settings of inserts: written before the answer, recognised by the token in the table and in its views, and never
/// cut into blocks that a retry could cut elsewhere.
const INSERT_SETTINGS: &[(&str, &str)] = &[
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ("input_format_parallel_parsing", "0"),
];

/// Where the rows of one insert go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    /// Names these rows: the server writes rows of one token once.
    pub(super) token: &'a str,
    /// Most partitions that the insert may touch, in the table and its views; 0 is any number.
    pub(super) partitions: &'static str,
}

/// A server and the database on it.
pub(super) struct Server {
    /// In the database.
    client: Client,
    /// On the server; it has its own copy because a client forgets what it knows of tables when its database is set.
    outside: Client,
    database: String,
    closed: AtomicBool,
}

impl Server {
    /// Talks to no one yet.
    pub(super) fn new(target: Target) -> Result<Self> {
        let mut outside = http_client()?
            .with_url(target.endpoint)
            .with_compression(if target.compressed {
                Compression::Lz4
            } else {
                Compression::None
            });
        if let Some(user) = target.user {
            outside = outside.with_user(user);
        }
        if let Some(password) = target.password {
            outside = outside.with_password(password);
        }
        Ok(Self {
            client: outside.clone().with_database(&target.database),
            outside,
            database: target.database,
            closed: AtomicBool::new(false),
        })
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Later requests fail with `Unavailable`.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether requests are still made.
    pub(super) fn open(&self) -> Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::unavailable("ClickHouse"));
        }
        Ok(())
    }

    /// A query of the feed's database. `source` names it in the server's query log.
    pub(super) fn read(&self, source: &str, sql: &str) -> Query {
        with_settings(self.client.query_raw(sql), READ_SETTINGS).with_setting("log_comment", source)
    }

    /// A query that needs no database of ours.
    pub(super) fn ask(&self, sql: &str) -> Query {
        self.outside.query_raw(sql)
    }

    /// All rows of `query`.
    pub(super) async fn rows<T: RowOwned + RowRead>(&self, query: Query) -> Result<Vec<T>> {
        self.open()?;
        let rows = query.with_setting("max_execution_time", READ.there).fetch_all();
        match timeout(READ.here, rows).await {
            Ok(rows) => rows.map_err(|cause| classify(cause, Doing::Other)),
            Err(_) => Err(silent()),
        }
    }

    /// Runs one statement of a migration; `inside` the database, or without one.
    pub(super) async fn define(&self, sql: &str, inside: bool) -> Result<()> {
        self.open()?;
        let client = if inside { &self.client } else { &self.outside };
        let done = client
            .query_raw(sql)
            .with_setting("max_execution_time", SCHEMA.there)
            .execute();
        match timeout(SCHEMA.here, done).await {
            Ok(done) => done.map_err(|cause| classify(cause, Doing::Other)),
            Err(_) => Err(silent()),
        }
    }

    /// Writes `rows`. When it is unknown whether they were written, they are written once more under the same token.
    pub(super) async fn insert<T>(&self, place: Place<'_>, rows: &[T]) -> Result<()>
    where
        T: RowOwned + RowWrite + Sync,
    {
        self.open()?;
        match self.insert_once(place, rows).await {
            Ending::Landed => Ok(()),
            Ending::Refused(error) => Err(error),
            Ending::Unknown(error) => {
                tracing::warn!(%error, table = place.table, token = place.token, "an insert is tried again");
                match self.insert_once(place, rows).await {
                    Ending::Landed => Ok(()),
                    Ending::Unknown(error) | Ending::Refused(error) => Err(error),
                }
            }
        }
    }

    async fn insert_once<T>(&self, place: Place<'_>, rows: &[T]) -> Ending
    where
        T: RowOwned + RowWrite + Sync,
    {
        match timeout(INSERT.here, self.send(place, rows)).await {
            Ok(Ok(())) => Ending::Landed,
            Ok(Err(cause)) => ending(cause),
            Err(_) => Ending::Unknown(silent()),
        }
    }

    async fn send<T>(&self, place: Place<'_>, rows: &[T]) -> clickhouse::error::Result<()>
    where
        T: RowOwned + RowWrite + Sync,
    {
        let mut insert = self.client.insert::<T>(place.table).await?;
        for (name, value) in INSERT_SETTINGS {
            insert = insert.with_setting(*name, *value);
        }
        insert = insert
            .with_setting("insert_deduplication_token", place.token)
            .with_setting("max_partitions_per_insert_block", place.partitions)
            .with_setting("max_execution_time", INSERT.there);
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }
}

fn with_settings(mut query: Query, settings: &[(&str, &str)]) -> Query {
    for (name, value) in settings {
        query = query.with_setting(*name, *value);
    }
    query
}

fn http_client() -> Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_PATIENCE));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| Error::internal("TLS cannot be set up").with_source(error))?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let http = HttpClient::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .build(connector);
    Ok(Client::with_http_client(http))
}
