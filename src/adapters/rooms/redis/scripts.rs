//! What is atomic in Redis: scripts, sent by their hash and in full to a server that does not know them yet.

use fred::interfaces::LuaInterface as _;
use fred::types::{FromValue, Value};
use fred::util::sha1_hash;
use nova_actors::Result;

use crate::adapters::redis::{Connection, failure};

/// One script.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let hash = sha1_hash(source);
        Self { source, hash }
    }

    /// Runs the script. All keys must be of one room.
    ///
    /// # Errors
    /// `Unavailable`; then nobody knows whether it ran.
    pub(super) async fn run<R: FromValue>(
        &self,
        connection: &Connection,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<R> {
        let client = connection.ready().await?;
        let known = client
            .evalsha(self.hash.as_str(), keys.clone(), args.clone())
            .await;
        match known {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(self.source, keys, args).await.map_err(failure)
            }
            outcome => outcome.map_err(failure),
        }
    }
}

/// All scripts of the bus.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) begin: Script,
    pub(super) publish: Script,
    pub(super) tell_viewers: Script,
    pub(super) count_viewers: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            begin: Script::new(concat!(
                include_str!("lua/room.lua"),
                include_str!("lua/begin.lua")
            )),
            publish: Script::new(concat!(
                include_str!("lua/room.lua"),
                include_str!("lua/publish.lua")
            )),
            tell_viewers: Script::new(include_str!("lua/tell_viewers.lua")),
            count_viewers: Script::new(include_str!("lua/count_viewers.lua")),
        }
    }
}
