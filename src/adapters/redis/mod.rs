//! Connections to Redis: lazy, with a deadline for every command, and quick to say that Redis is away.

mod facts;

use std::fmt;
use std::time::Duration;

use fred::clients::WithOptions;
use fred::error::ErrorKind;
use fred::interfaces::ClientLike as _;
use fred::prelude::{Builder, Client, Config, ReconnectPolicy};
use fred::types::config::{Options, UnresponsiveConfig};
use fred::types::{ConnectHandle, RespVersion};
use nova_actors::{Error, Kind, Result};
use tokio::time::{Instant, timeout};

pub use self::facts::RedisFacts;

/// Commands that may wait for the connection; more are refused.
const WAITING: usize = 16_384;
/// Messages of channels that may wait for their reader; then the oldest are lost and read from history.
const MESSAGES: usize = 16_384;
/// A connection whose server says nothing for this long, though it was asked, is given up.
const SILENT: Duration = Duration::from_secs(2);
const LOOK_FOR_SILENCE: Duration = Duration::from_millis(500);
/// Longest wait for the goodbye.
const QUIT: Duration = Duration::from_secs(1);
const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis-cluster",
    "rediss-cluster",
    "redis-sentinel",
    "rediss-sentinel",
];
const ACCEPTED: &str = "redis://[[user:]password@]host[:port][/database], or the same with rediss:, redis-cluster:, rediss-cluster:, redis-sentinel: or rediss-sentinel:";

/// How to reach a Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis:`, `rediss:`, `redis-cluster:` or `redis-sentinel:`, with credentials; see [`RedisOptions::check`].
    pub url: String,
    /// How long one command may take.
    pub command_timeout: Duration,
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("command_timeout", &self.command_timeout)
            .finish_non_exhaustive()
    }
}

impl RedisOptions {
    /// Whether the URL can be understood; nothing is connected.
    ///
    /// # Errors
    /// `Validation` without any part of the URL, which may hold a password.
    pub fn check(&self) -> Result<()> {
        self.config().map(drop)
    }

    fn config(&self) -> Result<Config> {
        let refused = || Error::field("url", ACCEPTED);
        // fred takes any scheme that it does not know for `redis:`.
        let (scheme, _) = self.url.split_once("://").ok_or_else(refused)?;
        if !SCHEMES.contains(&scheme) {
            return Err(refused());
        }
        // The cause is left out: it may quote the URL.
        let config = Config::from_url(&self.url).map_err(|_| refused())?;
        Ok(Config {
            // A server that is away at first is tried again like one that went away later.
            fail_fast: false,
            // With the newer protocol a connection that listens to channels takes other commands, too.
            version: RespVersion::RESP3,
            ..config
        })
    }
}

/// One connection (in a cluster, one to each of its nodes) that all callers share.
pub(crate) struct Connection {
    client: Client,
    commands: WithOptions<Client>,
    connecting: ConnectHandle,
    first_try_until: Instant,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("connected", &self.client.is_connected())
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connecting.abort();
    }
}

impl Connection {
    /// Begins to connect on the current runtime, and goes on until it is dropped or closed.
    ///
    /// # Errors
    /// `Validation` for a URL that cannot be understood.
    pub(crate) fn open(options: &RedisOptions) -> Result<Self> {
        let patience = options.command_timeout;
        let mut builder = Builder::from_config(options.config()?);
        builder
            .with_performance_config(|performance| {
                performance.default_command_timeout = patience;
                performance.broadcast_channel_capacity = MESSAGES;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = patience;
                connection.internal_command_timeout = patience;
                // Whoever asked decides whether to ask again.
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = WAITING;
                connection.reconnect_on_auth_error = true;
                connection.tcp.nodelay = Some(true);
                connection.unresponsive = UnresponsiveConfig {
                    max_timeout: Some(SILENT),
                    interval: LOOK_FOR_SILENCE,
                };
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2));
        let client = builder
            .build()
            .map_err(|e| Error::internal("a Redis client cannot be made").with_source(e))?;
        let commands = client.with_options(&Options {
            fail_fast: true,
            ..Options::default()
        });
        let connecting = client.connect();
        Ok(Self {
            client,
            commands,
            connecting,
            first_try_until: Instant::now() + patience,
        })
    }

    /// The way to send commands. Waits for the first attempt to connect, never for a later one.
    ///
    /// # Errors
    /// `Unavailable` while there is no connection.
    pub(crate) async fn ready(&self) -> Result<&WithOptions<Client>> {
        if !self.client.is_connected() {
            let left = self.first_try_until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let _ = timeout(left, self.client.wait_for_connect()).await;
            }
        }
        if self.client.is_connected() {
            Ok(&self.commands)
        } else {
            Err(Error::unavailable("redis"))
        }
    }

    /// The client itself, for its messages and events.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether commands have a chance now.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// Says goodbye; does not wait long for an answer.
    pub(crate) async fn close(&self) {
        let _ = timeout(QUIT, self.client.quit()).await;
        self.connecting.abort();
    }
}

/// What a failed command means to the caller.
pub(crate) fn failure(error: fred::error::Error) -> Error {
    let ours = match error.kind() {
        ErrorKind::Backpressure => Error::new(Kind::Overloaded, "too many commands wait for redis"),
        ErrorKind::Parse | ErrorKind::NotFound | ErrorKind::InvalidArgument | ErrorKind::InvalidCommand => {
            Error::internal("redis and Nova do not understand each other")
        }
        _ => Error::unavailable("redis"),
    };
    ours.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> RedisOptions {
        RedisOptions {
            url: url.into(),
            command_timeout: Duration::from_millis(100),
        }
    }

    #[test]
    fn every_kind_of_address_is_understood() {
        for url in [
            "redis://127.0.0.1:6379",
            "redis://:secret@127.0.0.1:6379/2",
            "rediss://user:secret@redis.example:6380",
            "redis-cluster://a:1?node=b:2&node=c:3",
            "redis-sentinel://a:1/1?node=b:2&sentinelServiceName=main",
        ] {
            options(url).check().unwrap();
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_being_repeated() {
        for url in ["", "hunter2", "http://:hunter2@h:1", "redis://:hunter2@h:port"] {
            let options = options(url);
            let error = options.check().unwrap_err();
            assert!(matches!(error.kind(), Kind::Validation(_)), "{url}");
            assert!(!format!("{error} {error:?} {options:?}").contains("hunter2"));
        }
    }
}
