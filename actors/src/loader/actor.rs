//! The loader's shell: starts fetches and passes their outcomes on.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Counter, Histogram, counter, histogram};
use serde_json::{Value, json};

use super::batch::{Batch, Pending};
use super::fetch::Fetch;
use crate::error::Result;
use crate::runtime::{Actor, Ctx, Reply, metrics, within};

/// Limits of a loader.
#[derive(Debug, Clone, Copy)]
pub struct LoaderSettings {
    /// Most keys in one query.
    pub max_batch: usize,
    /// Most queries at one time; while they run, further keys accumulate.
    pub max_in_flight: usize,
    /// Longest time for one query.
    pub deadline: Duration,
}

impl Default for LoaderSettings {
    fn default() -> Self {
        Self {
            max_batch: 500,
            max_in_flight: 2,
            deadline: Duration::from_secs(2),
        }
    }
}

/// What a loader starts with.
pub struct LoaderArgs<K, V> {
    /// Name of the entity, the label of its metrics: `users`, `streams`, `posts`.
    pub entity: &'static str,
    /// Where to fetch from.
    pub fetch: Arc<dyn Fetch<K, V>>,
    /// Limits.
    pub settings: LoaderSettings,
}

impl<K, V> Clone for LoaderArgs<K, V> {
    fn clone(&self) -> Self {
        Self {
            entity: self.entity,
            fetch: Arc::clone(&self.fetch),
            settings: self.settings,
        }
    }
}

impl<K, V> std::fmt::Debug for LoaderArgs<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoaderArgs")
            .field("entity", &self.entity)
            .field("settings", &self.settings)
            .finish()
    }
}

/// The loader's mailbox; made by its handle only.
pub struct Msg<K, V>(MsgKind<K, V>);

enum MsgKind<K, V> {
    Load {
        keys: Vec<K>,
        reply: Reply<Result<HashMap<K, V>>>,
    },
    Fetched {
        batch: Batch<K>,
        outcome: Result<HashMap<K, V>>,
    },
}

impl<K, V> std::fmt::Debug for Msg<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            MsgKind::Load { .. } => "Load",
            MsgKind::Fetched { .. } => "Fetched",
        })
    }
}

impl<K, V> Msg<K, V> {
    pub(super) fn load(keys: Vec<K>, reply: Reply<Result<HashMap<K, V>>>) -> Self {
        Self(MsgKind::Load { keys, reply })
    }
}

/// See the module's card.
pub struct Loader<K, V> {
    args: LoaderArgs<K, V>,
    pending: Pending<K, V>,
    sizes: Histogram,
    fetches: Counter,
}

impl<K, V> std::fmt::Debug for Loader<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("entity", &self.args.entity)
            .finish_non_exhaustive()
    }
}

impl<K, V> Actor for Loader<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    type Msg = Msg<K, V>;
    type Args = LoaderArgs<K, V>;

    const KIND: &'static str = "loader";

    fn init(args: Self::Args, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            pending: Pending::new(args.settings.max_batch, args.settings.max_in_flight),
            sizes: histogram!(metrics::LOADER_BATCH_SIZE, "loader" => args.entity),
            fetches: counter!(metrics::LOADER_FETCHES, "loader" => args.entity),
            args,
        })
    }

    async fn handle(&mut self, msg: Self::Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Load { keys, reply } => self.pending.add(keys, reply, ctx.hold()),
            MsgKind::Fetched { batch, outcome } => self.pending.finish(batch, &outcome),
        }
        while let Some(batch) = self.pending.next_batch() {
            self.start_fetch(batch, ctx);
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        let (requests, in_flight) = self.pending.figures();
        json!({ "entity": self.args.entity, "requests": requests, "batches_in_flight": in_flight })
    }
}

impl<K, V> Loader<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn start_fetch(&self, batch: Batch<K>, ctx: &mut Ctx<Self>) {
        self.fetches.increment(1);
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 keys")]
        self.sizes.record(batch.keys.len() as f64);
        let (fetch, deadline) = (Arc::clone(&self.args.fetch), self.args.settings.deadline);
        let work = async move {
            let outcome = within("the store", deadline, fetch.fetch(&batch.keys)).await;
            (batch, outcome)
        };
        ctx.run(work, |(batch, outcome)| Msg(MsgKind::Fetched { batch, outcome }));
    }
}
