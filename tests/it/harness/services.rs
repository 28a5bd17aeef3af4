//! The real servers that tests share. They are started before the tests, by `scripts/test.sh`.

use std::time::Duration;

use nova::adapters::redis::RedisOptions;

fn required(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run ./scripts/test.sh, which starts the servers"))
}

/// Redis, as Nova's configuration takes it.
pub(crate) fn redis() -> String {
    required("NOVA_TEST_REDIS_URL")
}

/// The shared Redis, with more patience than production has: the machine is busy.
pub(crate) fn redis_options() -> RedisOptions {
    RedisOptions {
        url: redis(),
        command_timeout: Duration::from_secs(5),
    }
}
