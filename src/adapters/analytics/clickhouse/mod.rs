//! Analytics in ClickHouse: for production.

mod facts;
mod failure;
mod feed;
mod migrations;
mod rows;
mod server;
mod sink;
mod url;

use std::fmt;
use std::sync::Arc;

use nova_actors::Result;
use nova_actors::ports::ledger::PipelineLedger;

pub use facts::ClickHouseFacts;
use server::Server;
use url::Target;

/// How to reach the server.
#[derive(Clone)]
pub struct ClickHouseOptions {
    /// `clickhouse://[user[:password]@]host[:port][/database][?secure=true&compression=lz4|none]`, the port of the
    /// HTTP interface; user and password percent-encoded. `clickhouse:http://…` and `clickhouse:https://…` are the
    /// same. Defaults: port 8123 (8443 with TLS), database `nova_feed`, no TLS, lz4.
    pub url: String,
}

/// Shows nothing of the URL, which may hold a password.
impl fmt::Debug for ClickHouseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseOptions").finish_non_exhaustive()
    }
}

/// Both sides of analytics, `AnalyticsSink` and `FeedSource`, on ClickHouse; the ledger is elsewhere.
///
/// A batch is exact after any crash: its range is in the ledger before its rows are written, the rows carry a token
/// made of the range, and the tables keep the newest version of a key however often it comes. Nothing is read while
/// it is away: requests fail with `Unavailable` within their deadline.
#[derive(Clone)]
pub struct ClickHouseAnalytics {
    server: Arc<Server>,
    ledger: Arc<dyn PipelineLedger>,
}

impl ClickHouseAnalytics {
    /// Talks to the server at the first request, so that it may be away now.
    ///
    /// # Errors
    /// `Validation` naming `analytics.url` when it is no such URL; `Internal` when TLS cannot be set up.
    pub fn connect(options: &ClickHouseOptions, ledger: Arc<dyn PipelineLedger>) -> Result<Self> {
        let server = Server::new(Target::parse(&options.url)?)?;
        Ok(Self {
            server: Arc::new(server),
            ledger,
        })
    }

    /// Later calls fail with `Unavailable`; those that run are finished.
    pub fn close(&self) {
        self.server.close();
    }
}

impl fmt::Debug for ClickHouseAnalytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseAnalytics")
            .field("database", &self.server.database())
            .finish_non_exhaustive()
    }
}
