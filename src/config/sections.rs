//! The typed configuration, one struct per topic. What each key means is in `config/default.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Reader;
use super::secret::Secret;
use super::setting::{Bytes, Setting};
use super::value::Raw;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            // Every key is read before the first that failed ends the section: all problems are noted.
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                $(let $field = reader.get($key);)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}

section! {
    /// The public listener.
    Http {
        /// Address.
        bind: SocketAddr = "http.bind",
        /// Open connections, at most.
        max_connections: usize = "http.max_connections",
        /// Requests in work, at most.
        max_in_flight: usize = "http.max_in_flight",
        /// Largest request body.
        body_limit: Bytes = "http.body_limit",
        /// Time for a request's head.
        head_deadline: Duration = "http.head_deadline",
        /// Time for a request's body.
        body_deadline: Duration = "http.body_deadline",
        /// Time until a connection's first byte.
        silent_deadline: Duration = "http.silent_deadline",
        /// Foreign origins that may call.
        allowed_origins: Vec<String> = "http.cors.allowed_origins",
    }
}

section! {
    /// The internal listener.
    Internal {
        /// Address.
        bind: SocketAddr = "internal.bind",
        /// Whether the address may be public.
        allow_public: bool = "internal.allow_public",
    }
}

section! {
    /// Where things are kept.
    Data {
        /// Directory of the embedded databases and development keys.
        dir: PathBuf = "data.dir",
        /// The store.
        store: DatabaseUrl = "store.url",
        /// The event log.
        log: DatabaseUrl = "log.url",
        /// The analytics tables.
        analytics: DatabaseUrl = "analytics.url",
        /// Cache of ranked feeds.
        feed_cache: MemoryUrl = "cache.feed.url",
        /// Bus of rooms.
        rooms: MemoryUrl = "cache.rooms.url",
    }
}

section! {
    /// How tokens are verified.
    Auth {
        /// PEM file of the public key; `None`: the development key.
        keys: Option<PathBuf> = "auth.keys",
        /// Required `iss`.
        issuer: String = "auth.issuer",
        /// Required `aud`.
        audience: String = "auth.audience",
        /// Accepted algorithms.
        algorithms: Vec<String> = "auth.algorithms",
    }
}

section! {
    /// Live streams.
    Streams {
        /// Time without a sign of life after which a live stream is ended; zero: never.
        abandon_after: Duration = "streams.abandon_after",
        /// Allowed categories.
        categories: Vec<String> = "streams.categories",
    }
}

section! {
    /// Rooms and the connections in them.
    Rooms {
        /// Silence after which a keepalive is sent.
        heartbeat: Duration = "rooms.heartbeat",
        /// Time for the `hello`.
        hello_deadline: Duration = "rooms.hello_deadline",
        /// Chat messages within `chat_window`.
        chat_burst: u32 = "rooms.chat_burst",
        /// See `chat_burst`.
        chat_window: Duration = "rooms.chat_window",
        /// Time after which a viewer that takes nothing is closed.
        slow_deadline: Duration = "rooms.slow_deadline",
    }
}

section! {
    /// Share of the readers that get another ranker than `v1`, in percent.
    Rollout {
        /// Newest first.
        chrono: u8 = "feed.rollout.chrono.percent",
    }
}

section! {
    /// Retries of calls to dependencies.
    Retry {
        /// Attempts, the first one included.
        max_attempts: usize = "retry.max_attempts",
        /// First pause, in milliseconds.
        base_ms: u64 = "retry.base_ms",
        /// Longest pause, in milliseconds.
        cap_ms: u64 = "retry.cap_ms",
    }
}

section! {
    /// Circuit breakers of calls to dependencies.
    Breaker {
        /// Failures within `window` that open it.
        failures: usize = "breaker.failures",
        /// See `failures`.
        window: Duration = "breaker.window",
        /// Time until a call is let through as a test, in milliseconds.
        open_ms: u64 = "breaker.open_ms",
    }
}

section! {
    /// What is logged, and how.
    Logging {
        /// Shape of a line.
        format: LogFormat = "logging.format",
        /// Level or filter directives.
        level: String = "logging.level",
    }
}

/// Feeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Age up to which a ranked feed is served as it is.
    pub fresh: Duration,
    /// Age up to which it is served while a new one is made.
    pub stale: Duration,
    /// Whether a request may choose its source.
    pub allow_source_override: bool,
    /// Which rankers the readers get.
    pub rollout: Rollout,
}

impl Feed {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let fresh = reader.get("feed.fresh");
        let stale = reader.get("feed.stale");
        let allow_source_override = reader.get("feed.allow_source_override");
        let rollout = Rollout::read(reader);
        Some(Self {
            fresh: fresh?,
            stale: stale?,
            allow_source_override: allow_source_override?,
            rollout: rollout?,
        })
    }
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Parts that run in this process, as written; see `config/default.toml`.
    pub roles: Vec<String>,
    /// The public listener.
    pub http: Http,
    /// The internal listener.
    pub internal: Internal,
    /// Where things are kept.
    pub data: Data,
    /// Where change records come from.
    pub cdc_source: String,
    /// How tokens are verified.
    pub auth: Auth,
    /// Key that signs feed cursors; `None`: the one of the data directory.
    pub cursor_key: Option<Secret>,
    /// Live streams.
    pub streams: Streams,
    /// Rooms.
    pub rooms: Rooms,
    /// Feeds.
    pub feed: Feed,
    /// Retries.
    pub retry: Retry,
    /// Circuit breakers.
    pub breaker: Breaker,
    /// Time from the signal to the exit.
    pub drain: Duration,
    /// Logs.
    pub logging: Logging,
}

impl Config {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let roles = reader.get("roles");
        let http = Http::read(reader);
        let internal = Internal::read(reader);
        let data = Data::read(reader);
        let cdc_source = reader.get("cdc.source");
        let auth = Auth::read(reader);
        let cursor_key = reader.get("secrets.cursor_key");
        let streams = Streams::read(reader);
        let rooms = Rooms::read(reader);
        let feed = Feed::read(reader);
        let retry = Retry::read(reader);
        let breaker = Breaker::read(reader);
        let drain = reader.get("shutdown.drain");
        let logging = Logging::read(reader);
        Some(Self {
            roles: roles?,
            http: http?,
            internal: internal?,
            data: data?,
            cdc_source: cdc_source?,
            auth: auth?,
            cursor_key: cursor_key?,
            streams: streams?,
            rooms: rooms?,
            feed: feed?,
            retry: retry?,
            breaker: breaker?,
            drain: drain?,
            logging: logging?,
        })
    }
}

/// `sqlite:` and a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(PathBuf);

impl DatabaseUrl {
    /// The database file; a relative one is in `dir`.
    #[must_use]
    pub fn path(&self, dir: &Path) -> PathBuf {
        dir.join(&self.0)
    }
}

impl Setting for DatabaseUrl {
    const EXPECTED: &'static str = "`sqlite:` and a file, such as sqlite:store.db";

    fn parse(raw: &Raw) -> Option<Self> {
        let url = String::parse(raw)?;
        let rest = url.strip_prefix("sqlite:")?;
        // `sqlite:///var/lib/x.db` and `sqlite:/var/lib/x.db` are the same file.
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let plain = !path.is_empty() && !path.contains(['?', ':', '\0']);
        plain.then(|| Self(path.into()))
    }
}

/// `memory:`, the only place so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUrl;

impl Setting for MemoryUrl {
    const EXPECTED: &'static str = "memory:";

    fn parse(raw: &Raw) -> Option<Self> {
        matches!(String::parse(raw)?.as_str(), "memory:" | "memory://").then_some(Self)
    }
}

/// Shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = "text or json";

    fn parse(raw: &Raw) -> Option<Self> {
        match String::parse(raw)?.as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
