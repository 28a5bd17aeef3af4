//! From the configuration to what each part calls its settings.

use std::time::Duration;

use axum::http::HeaderValue;
use nova_actors::consumers::cdc::CdcSettings;
use nova_actors::domain::change::CapturedTable;
use nova_actors::feed::{CursorKey, FeedSettings};
use nova_actors::loader::LoaderSettings;
use nova_actors::ports::log::TopicSpec;
use nova_actors::publisher::RelaySettings;
use nova_actors::runtime::breaker::BreakerSettings;
use nova_actors::runtime::retry::RetrySettings;
use nova_actors::streams::StreamSettings;
use nova_actors::system::Settings;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::http::{EdgeSettings, ServerSettings};
use crate::ws::WsSettings;

const SOCIAL_WORKERS: usize = 4;
const WRITE_DEADLINE: Duration = Duration::from_secs(4);
const RETENTION_EVERY: Duration = Duration::from_secs(3_600);

/// The topics of the embedded log: those that something writes.
pub(super) fn topics() -> Vec<TopicSpec> {
    let captured = CapturedTable::ALL.map(CapturedTable::topic);
    let topic = |name: &str| TopicSpec {
        name: name.to_owned(),
        partitions: 3,
    };
    captured.into_iter().chain(["streams"]).map(topic).collect()
}

pub(super) fn actors(config: &Config, data: &DataDir) -> Result<Settings, Failure> {
    let retry = RetrySettings {
        max_attempts: config.retry.max_attempts,
        base_ms: config.retry.base_ms,
        cap_ms: config.retry.cap_ms,
    };
    let breaker = BreakerSettings {
        failures: config.breaker.failures,
        window: config.breaker.window,
        open_ms: config.breaker.open_ms,
    };
    Ok(Settings {
        streams: StreamSettings {
            abandon_after: config.streams.abandon_after,
            ..StreamSettings::default()
        },
        feed: FeedSettings {
            allow_source_override: config.feed.allow_source_override,
            chrono_percent: config.feed.rollout.chrono,
            soft_ttl: config.feed.fresh,
            stale_for: config.feed.stale,
            breaker,
            ..FeedSettings::default()
        },
        cursor_key: CursorKey::new(&data.cursor_key(config.cursor_key.as_ref())?)?,
        loaders: LoaderSettings::default(),
        relay: RelaySettings {
            retry,
            ..RelaySettings::default()
        },
        cdc: CdcSettings {
            retry,
            ..CdcSettings::default()
        },
        social_workers: SOCIAL_WORKERS,
        write_deadline: WRITE_DEADLINE,
        topics: topics().into_iter().map(|topic| topic.name).collect(),
        retention_every: RETENTION_EVERY,
        owner: format!("nova-{}", std::process::id()),
    })
}

pub(super) fn server(config: &Config) -> ServerSettings {
    ServerSettings {
        max_connections: config.http.max_connections,
        silent_deadline: config.http.silent_deadline,
        head_deadline: config.http.head_deadline,
        drain: config.drain / 3,
    }
}

pub(super) fn edge(config: &Config) -> Result<EdgeSettings, Failure> {
    let origin = |origin: &String| {
        HeaderValue::from_str(origin)
            .map_err(|_| Failure::config(format!("http.cors.allowed_origins: {origin:?} is no origin")))
    };
    Ok(EdgeSettings {
        body_limit: config.http.body_limit.0,
        body_deadline: config.http.body_deadline,
        max_in_flight: config.http.max_in_flight,
        allowed_origins: config
            .http
            .allowed_origins
            .iter()
            .map(origin)
            .collect::<Result<_, _>>()?,
        ..EdgeSettings::with_categories(config.streams.categories.clone())
    })
}

pub(super) fn sockets(config: &Config) -> WsSettings {
    WsSettings {
        max_connections: config.http.max_connections,
        heartbeat: config.rooms.heartbeat,
        hello_deadline: config.rooms.hello_deadline,
        write_deadline: config.rooms.slow_deadline,
        chat: (config.rooms.chat_burst, config.rooms.chat_window),
        allowed_origins: config.http.allowed_origins.clone(),
        ..WsSettings::default()
    }
}
