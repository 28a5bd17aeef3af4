//! How connections are made, and checked before they are used again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nova_actors::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use super::answered_within;

/// A connection that rested longer than this is asked for a sign of life before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Where the database is, and the bounds of its use.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?sslmode=…`.
    pub url: String,
    /// Most connections of this process, beside the one that the relay leads with.
    pub max_connections: u32,
    /// Longest wait for a connection.
    pub acquire_timeout: Duration,
    /// Longest time for one statement, kept by the server; waits for locks get half of it.
    pub statement_timeout: Duration,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Settings of every connection. The cause of a refused URL is left out, because it may quote the URL.
    pub(super) fn connect(&self) -> Result<PgConnectOptions> {
        let known = ["postgres://", "postgresql://"];
        let refused = || Error::field("store.url", "a URL like postgres://user@host:5432/database");
        if !known.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(refused());
        }
        let options = PgConnectOptions::from_str(&self.url).map_err(|_| refused())?;
        let statement = self.statement_timeout.max(Duration::from_millis(2));
        Ok(options.application_name("nova").options([
            ("statement_timeout", milliseconds(statement)),
            ("lock_timeout", milliseconds(statement / 2)),
            ("idle_in_transaction_session_timeout", milliseconds(statement * 2)),
            // A client that is gone without a word keeps its locks no longer than half a minute.
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]))
    }

    /// A pool that connects when it has to. A connection comes back to it only when it answers within `patience`:
    /// one whose statement was abandoned gets the time that the server gives the statement.
    pub(super) fn pool(&self, connect: PgConnectOptions, patience: Duration) -> PgPool {
        PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_FOR {
                        sign_of_life(connection, patience).await?;
                    }
                    Ok(true)
                })
            })
            .after_release(move |connection, _| {
                Box::pin(async move { sign_of_life(connection, patience).await.map(|()| true) })
            })
            .connect_lazy_with(connect)
    }
}

async fn sign_of_life(connection: &mut PgConnection, patience: Duration) -> sqlx::Result<()> {
    answered_within(patience, connection.ping()).await
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use nova_actors::Kind;

    use super::*;

    fn options(url: &str) -> PostgresOptions {
        PostgresOptions {
            url: url.to_owned(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(2),
        }
    }

    #[test]
    fn every_connection_carries_its_time_outs() {
        let connect = options("postgres://nova:s3cret@db.example.org:6000/nova").connect();
        let connect = connect.unwrap();
        let set = connect.get_options().unwrap().to_owned();
        for setting in [
            "statement_timeout=2000",
            "lock_timeout=1000",
            "idle_in_transaction_session_timeout=4000",
        ] {
            assert!(set.contains(setting), "{set}");
        }
        assert_eq!(connect.get_application_name(), Some("nova"));
    }

    #[test]
    fn a_refused_url_is_not_quoted() {
        for url in [
            "mysql://nova:s3cret@db/nova",
            "postgres://nova:s3cret@db:port/nova",
            "nova:s3cret",
            "",
        ] {
            let error = options(url).connect().unwrap_err();
            assert!(matches!(error.kind(), Kind::Validation(_)), "{url}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        assert!(!format!("{:?}", options("postgres://nova:s3cret@db/nova")).contains("s3cret"));
    }
}
