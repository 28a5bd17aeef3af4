//! What a Redis says of itself, for an operator who wants to know whether it can keep Nova's promises.

use std::collections::HashMap;
use std::time::Duration;

use fred::clients::WithOptions;
use fred::interfaces::ClientLike as _;
use fred::prelude::Client;
use fred::types::{ClusterHash, CustomCommand};
use nova_actors::Result;
use nova_actors::ports::Clock as _;

use super::{Connection, failure};
use crate::adapters::clock::SystemClock;

/// See the module. What a server does not tell (some managed ones hide their configuration) is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// Version of the server, e.g. `7.0.15`.
    pub version: String,
    /// `master` or `slave`; Nova writes, so it needs the first.
    pub role: String,
    /// Whether an append-only file is kept. Without one a restart forgets all rooms.
    pub appendonly: Option<bool>,
    /// When that file reaches the disk: with `always`, acknowledged chat survives the server's death; with
    /// `everysec`, the last second may be lost; with `no`, more.
    pub appendfsync: Option<String>,
    /// Snapshots, as `save` has them; empty for none.
    pub save: Option<String>,
    /// What goes when memory is full. For rooms it must be `noeviction`.
    pub maxmemory_policy: Option<String>,
    /// How far the server's clock is from this machine's, at least.
    pub clock_difference: Duration,
}

impl Connection {
    /// Asks the server about itself.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer.
    pub(crate) async fn inspect(&self) -> Result<RedisFacts> {
        let client = self.ready().await?;
        let info: String = client.info(None).await.map_err(failure)?;
        let before = SystemClock.now();
        let (seconds, micros): (i64, i64) = ask(client, "TIME", &[]).await.map_err(failure)?;
        let after = SystemClock.now();
        let theirs = seconds * 1_000 + micros / 1_000;
        let difference = (before.millis() - theirs).max(theirs - after.millis()).max(0);
        Ok(RedisFacts {
            version: line(&info, "redis_version").to_owned(),
            role: line(&info, "role").to_owned(),
            appendonly: setting(client, "appendonly").await.map(|value| value == "yes"),
            appendfsync: setting(client, "appendfsync").await,
            save: setting(client, "save").await,
            maxmemory_policy: setting(client, "maxmemory-policy").await,
            clock_difference: Duration::from_millis(difference.unsigned_abs()),
        })
    }
}

async fn ask<R: fred::types::FromValue>(
    client: &WithOptions<Client>,
    command: &'static str,
    args: &[&str],
) -> Result<R, fred::error::Error> {
    let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
    client.custom(command, args.to_vec()).await
}

async fn setting(client: &WithOptions<Client>, name: &str) -> Option<String> {
    let answer: HashMap<String, String> = ask(client, "CONFIG", &["GET", name]).await.ok()?;
    answer
        .into_iter()
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn line<'a>(info: &'a str, name: &str) -> &'a str {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map_or("unknown", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrole_x:no\r\nrole:master\r\n";
        assert_eq!(line(info, "redis_version"), "7.0.15");
        assert_eq!(line(info, "role"), "master");
        assert_eq!(line(info, "missing"), "unknown");
    }
}
