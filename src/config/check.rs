//! Rules over values that each have the right type.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::layers::Layers;
use super::problem::{Problem, Problems};
use super::sections::{Auth, Config, Feed, Http, Rooms};

const ROLES: [&str; 8] = [
    "all",
    "api",
    "cdc",
    "events",
    "notifications",
    "fanout",
    "jobs",
    "pipelines",
];
const KEY_FILE_ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];
const MIN_CURSOR_KEY: usize = 32;
const MINUTE: Duration = Duration::from_secs(60);

struct Checks<'a> {
    layers: &'a Layers,
    problems: &'a mut Problems,
}

impl Checks<'_> {
    /// Notes that `key` should have been `expected`, unless `holds`.
    fn require(&mut self, holds: bool, key: &str, expected: &str) {
        let Some(entry) = self.layers.get(key).filter(|_| !holds) else {
            return;
        };
        let found = (!super::is_secret(key)).then_some(&entry.raw);
        self.problems
            .push(Problem::value(&entry.origin, key, expected, found));
    }

    fn positive(&mut self, key: &str, value: usize) {
        self.require(value > 0, key, "at least 1");
    }

    fn deadline(&mut self, key: &str, value: Duration) {
        let fits = (Duration::from_millis(100)..=10 * MINUTE).contains(&value);
        self.require(fits, key, "a duration from 100ms to 10m");
    }
}

/// Notes every rule that `config` breaks.
pub(super) fn check(config: &Config, layers: &Layers, problems: &mut Problems) {
    let mut checks = Checks { layers, problems };
    parts(&mut checks, config);
    http(&mut checks, &config.http);
    let internal = &config.internal;
    let reachable = internal.bind.ip().is_loopback() || internal.allow_public;
    checks.require(
        reachable,
        "internal.bind",
        "a loopback address, or internal.allow_public = true",
    );
    let apart = internal.bind != config.http.bind || internal.bind.port() == 0;
    checks.require(apart, "internal.bind", "another address than http.bind");
    auth(&mut checks, &config.auth);
    let strong = config
        .cursor_key
        .as_ref()
        .is_none_or(|key| key.expose().chars().count() >= MIN_CURSOR_KEY);
    checks.require(strong, "secrets.cursor_key", "at least 32 characters, or nothing");
    categories(&mut checks, &config.streams.categories);
    rooms(&mut checks, &config.rooms);
    feed(&mut checks, &config.feed);
    dependencies(&mut checks, config);
    checks.deadline("shutdown.drain", config.drain);
    let filter = EnvFilter::try_new(&config.logging.level).is_ok();
    checks.require(
        filter,
        "logging.level",
        "a level or filter directives, such as info,nova=debug",
    );
}

fn parts(checks: &mut Checks<'_>, config: &Config) {
    let known = config.roles.iter().all(|role| ROLES.contains(&role.as_str()));
    checks.require(
        known && !config.roles.is_empty(),
        "roles",
        "all, or a list of api, cdc, events, notifications, fanout, jobs, pipelines",
    );
    let has = |role: &str| config.roles.iter().any(|r| r == role);
    let pipelines = has("pipelines") || ["cdc", "events", "notifications", "fanout"].into_iter().all(has);
    let whole = has("all") || (has("api") && has("jobs") && pipelines);
    checks.require(
        whole || !known,
        "roles",
        "every role, because an embedded store serves one process only",
    );
    checks.require(
        config.cdc_source == "change_log",
        "cdc.source",
        "change_log, because an embedded log has no other source",
    );
    let data = &config.data;
    let paths: BTreeSet<_> = [&data.store, &data.log, &data.analytics]
        .into_iter()
        .map(|url| url.path(&data.dir))
        .collect();
    checks.require(
        paths.len() == 3,
        "store.url",
        "another file than log.url and analytics.url, all three apart",
    );
}

fn http(checks: &mut Checks<'_>, http: &Http) {
    checks.positive("http.max_connections", http.max_connections);
    checks.positive("http.max_in_flight", http.max_in_flight);
    let body = (1 << 10..=64 << 20).contains(&http.body_limit.0);
    checks.require(body, "http.body_limit", "a size from 1KiB to 64MiB");
    checks.deadline("http.head_deadline", http.head_deadline);
    checks.deadline("http.body_deadline", http.body_deadline);
    checks.deadline("http.silent_deadline", http.silent_deadline);
    checks.require(
        http.allowed_origins.iter().all(|origin| is_origin(origin)),
        "http.cors.allowed_origins",
        "origins such as https://example.org, without a path",
    );
}

fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host.is_ascii()
            && !host.contains(['/', '@', '*', '?', '#', ' '])
            && host == host.to_lowercase()
    })
}

fn auth(checks: &mut Checks<'_>, auth: &Auth) {
    checks.require(
        !auth.issuer.trim().is_empty(),
        "auth.issuer",
        "the issuer of the tokens",
    );
    checks.require(
        !auth.audience.trim().is_empty(),
        "auth.audience",
        "the audience of the tokens",
    );
    let named = !auth.algorithms.is_empty();
    let all = |allowed: &[&str]| named && auth.algorithms.iter().all(|a| allowed.contains(&a.as_str()));
    if auth.keys.is_none() {
        checks.require(
            all(&["HS256"]),
            "auth.algorithms",
            "HS256, because auth.keys is empty",
        );
    } else {
        checks.require(
            all(&KEY_FILE_ALGORITHMS),
            "auth.algorithms",
            "a list of EdDSA, ES256, RS256, because auth.keys is set",
        );
    }
}

fn categories(checks: &mut Checks<'_>, categories: &[String]) {
    let distinct: BTreeSet<_> = categories.iter().collect();
    let words = categories
        .iter()
        .all(|c| !c.trim().is_empty() && c.chars().count() <= 32);
    checks.require(
        !categories.is_empty() && words && distinct.len() == categories.len(),
        "streams.categories",
        "at least one word, each once and of at most 32 characters",
    );
}

fn rooms(checks: &mut Checks<'_>, rooms: &Rooms) {
    checks.deadline("rooms.heartbeat", rooms.heartbeat);
    checks.deadline("rooms.hello_deadline", rooms.hello_deadline);
    checks.deadline("rooms.slow_deadline", rooms.slow_deadline);
    checks.deadline("rooms.chat_window", rooms.chat_window);
    checks.require(rooms.chat_burst > 0, "rooms.chat_burst", "at least 1");
}

fn feed(checks: &mut Checks<'_>, feed: &Feed) {
    checks.require(!feed.fresh.is_zero(), "feed.fresh", "a duration above zero");
    checks.require(
        feed.stale >= feed.fresh,
        "feed.stale",
        "a duration of at least feed.fresh",
    );
    checks.require(
        feed.rollout.chrono <= 100,
        "feed.rollout.chrono.percent",
        "a number from 0 to 100",
    );
}

fn dependencies(checks: &mut Checks<'_>, config: &Config) {
    let retry = &config.retry;
    let attempts = (1..=20).contains(&retry.max_attempts);
    checks.require(attempts, "retry.max_attempts", "a number from 1 to 20");
    checks.require(retry.base_ms > 0, "retry.base_ms", "at least 1");
    let cap = (retry.base_ms..=60_000).contains(&retry.cap_ms);
    checks.require(cap, "retry.cap_ms", "a number from retry.base_ms to 60000");
    let breaker = &config.breaker;
    checks.require(breaker.failures > 0, "breaker.failures", "at least 1");
    checks.deadline("breaker.window", breaker.window);
    checks.require(breaker.open_ms > 0, "breaker.open_ms", "at least 1");
}
