//! How many watch: each node tells its own counts, which are good for a while only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fred::types::Value;
use futures_util::future::try_join_all;
use nova_actors::domain::room::RoomId;
use nova_actors::{Error, Result};

use super::hub::Hub;
use super::keys;
use super::limits::millis;

/// Counts told again at the same time.
const TOGETHER: usize = 256;

/// This node's counts.
#[derive(Debug)]
pub(super) struct Viewers {
    node: String,
    here: Mutex<HashMap<RoomId, u64>>,
}

impl Viewers {
    pub(super) fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            here: Mutex::default(),
        }
    }

    fn here(&self) -> MutexGuard<'_, HashMap<RoomId, u64>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See `RoomBus::set_viewers`. A count that cannot be told now is told by the next [`Viewers::refresh`].
    pub(super) async fn set(&self, hub: &Hub, room: RoomId, viewers: u64) -> Result<()> {
        if viewers == 0 {
            self.here().remove(&room);
        } else {
            self.here().insert(room, viewers);
        }
        self.tell(hub, room, viewers, false).await
    }

    async fn tell(&self, hub: &Hub, room: RoomId, viewers: u64, only_if_missing: bool) -> Result<()> {
        let args: Vec<Value> = vec![
            self.node.clone().into(),
            viewers.to_string().into(),
            millis(hub.limits.viewers_ttl).into(),
            i64::from(only_if_missing).into(),
        ];
        let script = &hub.scripts.tell_viewers;
        script.run(&hub.commands, vec![keys::viewers(room)], args).await
    }

    /// Tells every count again before it is taken for that of a dead node. One that a newer call has just
    /// written stays as it is.
    pub(super) async fn refresh(&self, hub: &Hub) -> Result<()> {
        let all: Vec<_> = self.here().iter().map(|(id, viewers)| (*id, *viewers)).collect();
        for some in all.chunks(TOGETHER) {
            let told = some
                .iter()
                .map(|(room, viewers)| self.tell(hub, *room, *viewers, true));
            try_join_all(told).await?;
        }
        Ok(())
    }

    /// Takes this node's counts back.
    pub(super) async fn leave(&self, hub: &Hub) -> Result<()> {
        let rooms: Vec<_> = self.here().drain().map(|(id, _)| id).collect();
        for some in rooms.chunks(TOGETHER) {
            try_join_all(some.iter().map(|room| self.tell(hub, *room, 0, false))).await?;
        }
        Ok(())
    }
}

/// See `RoomBus::viewers`. Rooms may be on different nodes of a cluster, so each is asked for by itself, without
/// waiting for the others.
pub(super) async fn count(hub: &Hub, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
    let asked = rooms.iter().map(async |room| {
        let script = &hub.scripts.count_viewers;
        let keys = vec![keys::viewers(*room)];
        let viewers: u64 = script.run(&hub.commands, keys, Vec::new()).await?;
        Ok::<_, Error>((*room, viewers))
    });
    let counts = try_join_all(asked).await?;
    Ok(counts.into_iter().filter(|(_, viewers)| *viewers > 0).collect())
}
