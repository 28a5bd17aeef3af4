//! The way into live streams for everyone else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::directory::{self, Directory, DirectoryMsg};
use super::rooms::{RoomEntry, Rooms};
use super::settings::StreamSettings;
use super::stream::StreamMsg;
use crate::domain::room::ChatPage;
use crate::domain::{
    EndedReason, IdempotencyKey, LiveStream, NewStream, StreamId, StreamPatch, Timestamp, User, UserId,
    ViewerTotals, WriteContext, Written,
};
use crate::error::{Error, Kind, Result};
use crate::loader::{StreamLoader, UserLoader};
use crate::ports::Clock;
use crate::ports::rooms::RoomBus;
use crate::ports::store::{PendingChanges, StreamStore};
use crate::runtime::{Actor, Address, ChildSpec, GroupSpec};

/// A live stream with what a page shows beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamView {
    /// The row; its figures are at least as new as the stored ones.
    pub stream: LiveStream,
    /// `None` when the directory of users does not know the creator.
    pub creator: Option<User>,
    /// Connected now, over all nodes; the stored figure when the room bus does not answer.
    pub viewers: u64,
}

/// One page of running live streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamList {
    /// Newest first.
    pub items: Vec<StreamView>,
    /// How many there are on all pages.
    pub total: u64,
}

/// What live streams need from the world.
#[derive(Clone)]
pub struct StreamPorts {
    /// Their rows.
    pub store: Arc<dyn StreamStore>,
    /// Which of them run.
    pub pending: Arc<dyn PendingChanges>,
    /// Their rooms.
    pub bus: Arc<dyn RoomBus>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Reads of rows.
    pub streams: StreamLoader,
    /// Reads of their creators.
    pub users: UserLoader,
    /// Called after every commit that owes the event log something; must not wait.
    pub committed: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for StreamPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamPorts").finish_non_exhaustive()
    }
}

/// What the handle and the actors behind it share.
pub(super) struct Shared {
    pub(super) ports: StreamPorts,
    pub(super) settings: StreamSettings,
    pub(super) rooms: Rooms,
    pub(super) directory: Address<DirectoryMsg>,
    /// When this process started: no owner could show life before.
    pub(super) booted_at: Timestamp,
    running: Mutex<HashSet<IdempotencyKey>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("rooms", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

/// Live streams and their rooms. Clone-cheap.
#[derive(Debug, Clone)]
pub struct StreamsHandle(Arc<Shared>);

impl StreamsHandle {
    /// A handle to actors that are still to be started: see [`StreamsHandle::supervise`].
    #[must_use]
    pub fn new(ports: StreamPorts, settings: StreamSettings) -> Self {
        let booted_at = ports.clock.now();
        Self(Arc::new(Shared {
            ports,
            settings,
            rooms: Rooms::default(),
            directory: Address::vacant(Directory::KIND, "directory", directory::CAPACITY),
            booted_at,
            running: Mutex::default(),
        }))
    }

    /// Adds the directory of live streams to a supervisor. Its loaders must be started before it.
    #[must_use]
    pub fn supervise(&self, group: GroupSpec) -> GroupSpec {
        let spec = ChildSpec::permanent("directory").drain(Duration::from_secs(10));
        group.child::<Directory>(&self.0.directory, spec, Arc::clone(&self.0))
    }

    /// Wall-clock time, as the rooms see it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.ports.clock.now()
    }

    pub(super) fn settings(&self) -> &StreamSettings {
        &self.0.settings
    }

    /// Starts a live stream; answers after the commit, without waiting for the event log.
    ///
    /// # Errors
    /// `AlreadyLive` with the running stream's id, `IdempotencyConflict`, `IdempotencyInFlight`.
    pub async fn start(
        &self,
        creator: UserId,
        new: NewStream,
        ctx: WriteContext,
    ) -> Result<Written<StreamView>> {
        let _running = self.claim(ctx.idempotency.as_ref())?;
        let ports = &self.0.ports;
        let written = ports.store.start(creator, &new, &ctx, ports.clock.now()).await?;
        match written {
            Written::Fresh(stream) => {
                (ports.committed)();
                // Its first viewer would start the room, too.
                let _ = self.0.directory.tell(DirectoryMsg::Ensure {
                    id: stream.id,
                    reply: None,
                });
                Ok(Written::Fresh(self.view(stream).await))
            }
            Written::Replayed(stream) => Ok(Written::Replayed(self.view(stream).await)),
        }
    }

    /// Ends a live stream of `by`. A second end gives the same answer.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub async fn end(&self, id: StreamId, by: UserId, ctx: WriteContext) -> Result<StreamView> {
        let stream = self.owned(id, by).await?;
        let ports = &self.0.ports;
        let room = self.0.rooms.get(id);
        let totals = ViewerTotals {
            viewers: 0,
            ..figures(room.as_ref(), &stream)
        };
        let ended = ports
            .store
            .end(id, EndedReason::Ended, totals, &ctx, ports.clock.now())
            .await?;
        if matches!(ended, Written::Fresh(_)) {
            (ports.committed)();
        }
        let stream = ended.into_inner();
        self.tell_room(room, StreamMsg::Changed(stream.clone()));
        Ok(self.view(stream).await)
    }

    /// Changes a running live stream of `by`; viewers hear of a new title or category.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `StreamEnded`.
    pub async fn patch(&self, id: StreamId, by: UserId, patch: StreamPatch) -> Result<StreamView> {
        self.owned(id, by).await?;
        let ports = &self.0.ports;
        let stream = ports.store.patch(id, &patch, ports.clock.now()).await?;
        self.tell_room(self.0.rooms.get(id), StreamMsg::Changed(stream.clone()));
        Ok(self.view(stream).await)
    }

    /// A sign of life of the owner `by`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `StreamEnded`.
    pub async fn heartbeat(&self, id: StreamId, by: UserId) -> Result<()> {
        let stream = self.owned(id, by).await?;
        if !stream.is_live() {
            return Err(Error::new(Kind::StreamEnded, "the live stream has ended"));
        }
        let ports = &self.0.ports;
        let room = self.0.rooms.get(id);
        let now = ports.clock.now();
        let totals = figures(room.as_ref(), &stream);
        ports.store.touch(id, totals, Some(now)).await?;
        self.tell_room(room, StreamMsg::OwnerSeen(now));
        Ok(())
    }

    /// One live stream, running or ended.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn get(&self, id: StreamId) -> Result<StreamView> {
        let stream = self.row(id).await?;
        Ok(self.view(stream).await)
    }

    /// A page of running live streams: one query for the rows, one for all creators, one batch of counts.
    ///
    /// # Errors
    /// Of the store only.
    pub async fn list(&self, category: Option<String>, page: u32, limit: u32) -> Result<StreamList> {
        let ports = &self.0.ports;
        let live = ports.store.live(category.as_deref(), page, limit).await?;
        Ok(StreamList {
            items: self.views(live.streams).await?,
            total: live.total,
        })
    }

    /// A page of a room's chat, of a running or an ended stream.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn chat(&self, id: StreamId, before: Option<u64>, limit: u32) -> Result<ChatPage> {
        self.row(id).await?;
        self.0.ports.bus.chat(id, before, limit).await
    }

    /// The room of a running live stream, started when this node has none.
    pub(super) async fn room(&self, id: StreamId) -> Result<RoomEntry> {
        if let Some(room) = self.0.rooms.get(id) {
            return Ok(room);
        }
        if !self.row(id).await?.is_live() {
            return Err(Error::new(Kind::StreamEnded, "the live stream has ended"));
        }
        self.0
            .directory
            .call(self.0.settings.call_deadline, |reply| DirectoryMsg::Ensure {
                id,
                reply: Some(reply),
            })
            .await?
    }

    async fn row(&self, id: StreamId) -> Result<LiveStream> {
        let found = self.0.ports.streams.load(id).await?;
        found.ok_or_else(|| Error::not_found("live stream"))
    }

    async fn owned(&self, id: StreamId, by: UserId) -> Result<LiveStream> {
        let stream = self.row(id).await?;
        if stream.creator_id == by {
            Ok(stream)
        } else {
            Err(Error::new(Kind::Forbidden, "this is someone else's live stream"))
        }
    }

    /// A room that does not hear this compares itself with the row before long; one that is not running
    /// here reads the row when it starts.
    fn tell_room(&self, room: Option<RoomEntry>, msg: StreamMsg) {
        if let Some(room) = room
            && let Err(error) = room.address.tell(msg)
        {
            tracing::debug!(room = room.address.name(), %error, "room was not told, it will see the row");
        }
    }

    /// What is committed is answered, even when what is shown beside it cannot be had.
    async fn view(&self, stream: LiveStream) -> StreamView {
        let creator_id = stream.creator_id;
        let (creator, counts) = tokio::join!(
            self.0.ports.users.load(creator_id),
            self.counts(std::slice::from_ref(&stream))
        );
        let creator = creator.unwrap_or_else(|error| {
            tracing::warn!(%error, "creator of a live stream cannot be shown");
            None
        });
        self.compose(stream, creator, counts.as_ref())
    }

    async fn views(&self, streams: Vec<LiveStream>) -> Result<Vec<StreamView>> {
        let mut creators: Vec<UserId> = streams.iter().map(|stream| stream.creator_id).collect();
        creators.sort_unstable();
        creators.dedup();
        let (users, counts) = tokio::join!(self.0.ports.users.load_many(creators), self.counts(&streams));
        let users = users?;
        Ok(streams
            .into_iter()
            .map(|stream| {
                let creator = users.get(&stream.creator_id).cloned();
                self.compose(stream, creator, counts.as_ref())
            })
            .collect())
    }

    /// Viewers of the running ones among `streams`; `None` when the bus does not tell in time.
    async fn counts(&self, streams: &[LiveStream]) -> Option<HashMap<StreamId, u64>> {
        let rooms: Vec<StreamId> = streams.iter().filter(|s| s.is_live()).map(|s| s.id).collect();
        if rooms.is_empty() {
            return Some(HashMap::new());
        }
        let counts = timeout(self.0.settings.counts_deadline, self.0.ports.bus.viewers(&rooms)).await;
        match counts {
            Ok(Ok(counts)) => Some(counts),
            Ok(Err(error)) => {
                tracing::warn!(%error, "viewer counts are the stored ones");
                None
            }
            Err(_) => {
                tracing::warn!("viewer counts took too long and are the stored ones");
                None
            }
        }
    }

    fn compose(
        &self,
        mut stream: LiveStream,
        creator: Option<User>,
        counts: Option<&HashMap<StreamId, u64>>,
    ) -> StreamView {
        let mut viewers = stream.viewers;
        if stream.is_live() {
            let room = self.0.rooms.get(stream.id);
            let here = room.and_then(|room| room.memory.totals());
            // The bus is told once a second; this node's own room knows at once.
            let told = counts.map(|counts| counts.get(&stream.id).copied().unwrap_or(0));
            viewers = here.map(|here| here.viewers).or(told).unwrap_or(stream.viewers);
            let here = here.unwrap_or_default();
            stream.peak_viewers = stream.peak_viewers.max(here.peak);
            stream.unique_viewers = stream.unique_viewers.max(here.unique);
        }
        StreamView {
            stream,
            creator,
            viewers,
        }
    }

    fn claim(&self, key: Option<&IdempotencyKey>) -> Result<Option<Running<'_>>> {
        let Some(key) = key else { return Ok(None) };
        // One body may not overtake another under the same key either.
        let scope = IdempotencyKey {
            fingerprint: [0; 32],
            ..key.clone()
        };
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(scope.clone()) {
            return Err(Error::new(
                Kind::IdempotencyInFlight,
                "a request with this idempotency key is still running",
            ));
        }
        Ok(Some(Running {
            set: &self.0.running,
            scope,
        }))
    }
}

/// Figures of the room on this node, or the stored ones.
fn figures(room: Option<&RoomEntry>, stream: &LiveStream) -> ViewerTotals {
    let stored = ViewerTotals {
        viewers: stream.viewers,
        peak: stream.peak_viewers,
        unique: stream.unique_viewers,
    };
    room.and_then(|room| room.memory.totals()).unwrap_or(stored)
}

/// Frees the key when the request is over, or given up.
struct Running<'a> {
    set: &'a Mutex<HashSet<IdempotencyKey>>,
    scope: IdempotencyKey,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.set
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.scope);
    }
}
