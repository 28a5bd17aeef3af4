//! Starts and stops rooms.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Gauge, gauge};
use serde_json::{Value, json};

use super::messages::DirectoryMsg;
use crate::domain::{LiveStream, StreamId};
use crate::error::Result;
use crate::runtime::retry::{Pauses, RetrySettings};
use crate::runtime::{Actor, Address, ChildSpec, Ctx, metrics};
use crate::streams::handle::Shared;
use crate::streams::rooms::RoomEntry;
use crate::streams::stream::{self, StreamActor, StreamArgs};

/// Live streams read at one time when the process starts.
const PAGE: u32 = 500;

/// See the module's card.
pub(in crate::streams) struct Directory {
    shared: Arc<Shared>,
    pauses: Pauses,
    live: Gauge,
}

impl Actor for Directory {
    type Msg = DirectoryMsg;
    type Args = Arc<Shared>;

    const KIND: &'static str = "directory";

    fn init(shared: Arc<Shared>, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            shared,
            pauses: RetrySettings::default().pauses(),
            live: gauge!(metrics::STREAMS_LIVE),
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        for (id, entry) in self.shared.rooms.all() {
            self.start(id, &entry, ctx).await?;
        }
        self.list(None, ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: DirectoryMsg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg {
            DirectoryMsg::Ensure { id, reply } => {
                let entry = self.ensure(id, ctx).await?;
                if let Some(reply) = reply {
                    reply.send(Ok(entry));
                }
            }
            DirectoryMsg::Done(id) => {
                self.shared.rooms.remove(id);
                self.show();
                ctx.stop_child(&name(id)).await;
            }
            DirectoryMsg::Boot(after) => self.list(after, ctx),
            DirectoryMsg::Running { after, outcome } => self.boot(after, outcome, ctx).await?,
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        json!({ "streams": self.shared.rooms.len() })
    }
}

impl Directory {
    fn list(&self, after: Option<StreamId>, ctx: &mut Ctx<Self>) {
        let shared = Arc::clone(&self.shared);
        let work = async move { shared.ports.pending.running(after, PAGE).await };
        ctx.run(work, move |outcome| DirectoryMsg::Running { after, outcome });
    }

    /// A room for every live stream that runs, so that abandoned ones are noticed without any viewer.
    async fn boot(
        &mut self,
        after: Option<StreamId>,
        outcome: Result<Vec<LiveStream>>,
        ctx: &mut Ctx<Self>,
    ) -> Result<()> {
        match outcome {
            Ok(page) => {
                self.pauses.reset();
                for row in &page {
                    self.ensure(row.id, ctx).await?;
                }
                if let Some(last) = page.last() {
                    self.list(Some(last.id), ctx);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "running live streams cannot be listed yet");
                ctx.after(self.pauses.next_pause(), DirectoryMsg::Boot(after));
            }
        }
        Ok(())
    }

    async fn ensure(&mut self, id: StreamId, ctx: &mut Ctx<Self>) -> Result<RoomEntry> {
        if let Some(entry) = self.shared.rooms.get(id) {
            return Ok(entry);
        }
        let entry = RoomEntry {
            address: Address::vacant(StreamActor::KIND, name(id), stream::CAPACITY),
            memory: Arc::default(),
        };
        self.start(id, &entry, ctx).await?;
        self.shared.rooms.insert(id, entry.clone());
        self.show();
        Ok(entry)
    }

    async fn start(&self, id: StreamId, entry: &RoomEntry, ctx: &mut Ctx<Self>) -> Result<()> {
        let spec = ChildSpec::transient(name(id))
            .backoff(Duration::from_millis(50), Duration::from_secs(5))
            .intensity(10, Duration::from_secs(60));
        let args = StreamArgs {
            id,
            shared: Arc::clone(&self.shared),
            memory: Arc::clone(&entry.memory),
        };
        ctx.spawn_child_at::<StreamActor>(&entry.address, spec, args)
            .await
    }

    fn show(&self) {
        self.live.set(f64::from(
            u32::try_from(self.shared.rooms.len()).unwrap_or(u32::MAX),
        ));
    }
}

fn name(id: StreamId) -> String {
    format!("stream/{id}")
}
