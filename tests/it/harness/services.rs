//! Where the real servers are. A test whose server is not there fails: it is never skipped in silence.

#![allow(dead_code, reason = "each suite asks for its own server")]

/// URL of the Postgres server.
pub(crate) fn postgres() -> String {
    variable("NOVA_TEST_POSTGRES_URL")
}

/// URL of the Kafka broker.
pub(crate) fn kafka() -> String {
    variable("NOVA_TEST_KAFKA_URL")
}

/// Folder with the broker's jars, for tests that start a broker of their own.
pub(crate) fn kafka_libs() -> String {
    variable("NOVA_TEST_KAFKA_LIBS")
}

/// URL of the Redis server.
pub(crate) fn redis() -> String {
    variable("NOVA_TEST_REDIS_URL")
}

/// URL of the ClickHouse server.
pub(crate) fn clickhouse() -> String {
    variable("NOVA_TEST_CLICKHOUSE_URL")
}

fn variable(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run ./scripts/test.sh, which starts the servers"),
    }
}
