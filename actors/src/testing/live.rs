//! A store of live streams and users in plain memory, and running rooms over it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{FakeBus, ManualClock};
use crate::domain::change::Change;
use crate::domain::{
    EndedReason, Identity, LivePage, LiveStream, NewStream, Profile, StreamId, StreamPatch, Timestamp, User,
    UserId, ViewerTotals, WriteContext, Written,
};
use crate::error::{Error, Kind, Result};
use crate::loader::{FetchStreams, FetchUsers, Loader, LoaderArgs, LoaderSettings, StreamLoader, UserLoader};
use crate::ports::store::{OutboxRow, PendingChanges, StreamStore, UserDirectory};
use crate::runtime::{Actor, Address, ChildSpec, GroupSpec, Root};
use crate::streams::{StreamPorts, StreamSettings, StreamsHandle};

/// Rows in memory; counts the queries that are asked of them.
#[derive(Debug, Default)]
pub struct FakeStore {
    streams: Mutex<HashMap<StreamId, LiveStream>>,
    users: Mutex<HashMap<UserId, User>>,
    keys: Mutex<HashMap<String, StreamId>>,
    /// Everything fails while set.
    pub away: AtomicBool,
    /// Starting a live stream never answers while set.
    pub stuck: AtomicBool,
    /// Queries so far.
    pub queries: AtomicUsize,
}

impl FakeStore {
    /// A new user.
    pub fn add_user(&self, username: &str) -> User {
        let user = User {
            id: UserId::new(),
            username: username.into(),
            display_name: username.into(),
            avatar_url: None,
            bio: String::new(),
            created_at: Timestamp::default(),
        };
        lock(&self.users).insert(user.id, user.clone());
        user
    }

    /// The user of that name, made when new.
    pub fn user(&self, username: &str) -> User {
        let known = lock(&self.users)
            .values()
            .find(|user| user.username == username)
            .cloned();
        known.unwrap_or_else(|| self.add_user(username))
    }

    /// The row of a live stream.
    pub fn row(&self, id: StreamId) -> Option<LiveStream> {
        lock(&self.streams).get(&id).cloned()
    }

    /// Changes a row behind everyone's back, as another node does.
    pub fn edit(&self, id: StreamId, edit: impl FnOnce(&mut LiveStream)) {
        if let Some(row) = lock(&self.streams).get_mut(&id) {
            edit(row);
        }
    }

    fn ask(&self) -> Result<()> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("store"));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl StreamStore for FakeStore {
    async fn start(
        &self,
        creator: UserId,
        new: &NewStream,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>> {
        if self.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.ask()?;
        let mut streams = lock(&self.streams);
        let key = ctx.idempotency.as_ref().map(|key| key.key.clone());
        let before = key.as_ref().and_then(|key| lock(&self.keys).get(key).copied());
        if let Some(row) = before.and_then(|id| streams.get(&id)) {
            return Ok(Written::Replayed(row.clone()));
        }
        if let Some(row) = streams.values().find(|s| s.creator_id == creator && s.is_live()) {
            return Err(Error::new(Kind::AlreadyLive(row.id), "already live"));
        }
        let id = StreamId::new();
        let row = LiveStream {
            id,
            creator_id: creator,
            title: new.title.clone(),
            description: new.description.clone(),
            category: new.category.clone(),
            thumbnail_url: new.thumbnail_url.clone(),
            started_at: now,
            ended_at: None,
            ended_reason: None,
            epoch: format!("epoch-{id}"),
            viewers: 0,
            peak_viewers: 0,
            unique_viewers: 0,
            owner_seen_at: now,
        };
        streams.insert(id, row.clone());
        if let Some(key) = key {
            lock(&self.keys).insert(key, id);
        }
        Ok(Written::Fresh(row))
    }

    async fn end(
        &self,
        id: StreamId,
        reason: EndedReason,
        totals: ViewerTotals,
        _: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>> {
        self.ask()?;
        let mut streams = lock(&self.streams);
        let row = streams
            .get_mut(&id)
            .ok_or_else(|| Error::not_found("live stream"))?;
        if !row.is_live() {
            return Ok(Written::Replayed(row.clone()));
        }
        row.ended_at = Some(now);
        row.ended_reason = Some(reason);
        row.viewers = totals.viewers;
        row.peak_viewers = row.peak_viewers.max(totals.peak);
        row.unique_viewers = totals.unique;
        Ok(Written::Fresh(row.clone()))
    }

    async fn patch(&self, id: StreamId, patch: &StreamPatch, now: Timestamp) -> Result<LiveStream> {
        self.ask()?;
        let mut streams = lock(&self.streams);
        let row = streams
            .get_mut(&id)
            .ok_or_else(|| Error::not_found("live stream"))?;
        if !row.is_live() {
            return Err(Error::new(Kind::StreamEnded, "the live stream has ended"));
        }
        row.title = patch.title.clone().unwrap_or_else(|| row.title.clone());
        row.category = patch.category.clone().unwrap_or_else(|| row.category.clone());
        row.owner_seen_at = now;
        Ok(row.clone())
    }

    async fn touch(&self, id: StreamId, totals: ViewerTotals, owner: Option<Timestamp>) -> Result<()> {
        self.ask()?;
        if let Some(row) = lock(&self.streams).get_mut(&id).filter(|row| row.is_live()) {
            row.viewers = totals.viewers;
            row.peak_viewers = totals.peak;
            row.unique_viewers = totals.unique;
            row.owner_seen_at = owner.unwrap_or(row.owner_seen_at);
        }
        Ok(())
    }

    async fn streams(&self, ids: &[StreamId]) -> Result<HashMap<StreamId, LiveStream>> {
        self.ask()?;
        let streams = lock(&self.streams);
        Ok(ids
            .iter()
            .filter_map(|id| streams.get(id).map(|row| (*id, row.clone())))
            .collect())
    }

    async fn live(&self, category: Option<&str>, page: u32, limit: u32) -> Result<LivePage> {
        self.ask()?;
        let streams = lock(&self.streams);
        let mut live: Vec<_> = streams
            .values()
            .filter(|s| s.is_live() && category.is_none_or(|c| c == s.category))
            .cloned()
            .collect();
        live.sort_by_key(|s| std::cmp::Reverse((s.started_at, s.id)));
        let total = u64::try_from(live.len()).unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let skip = usize::try_from(page.saturating_sub(1)).unwrap_or(usize::MAX) * limit;
        Ok(LivePage {
            streams: live.into_iter().skip(skip).take(limit).collect(),
            total,
        })
    }
}

#[async_trait]
impl UserDirectory for FakeStore {
    async fn users(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
        self.ask()?;
        let users = lock(&self.users);
        Ok(ids
            .iter()
            .filter_map(|id| users.get(id).map(|user| (*id, user.clone())))
            .collect())
    }

    async fn ensure(&self, identity: &Identity, _: Timestamp) -> Result<User> {
        Ok(self.user(&identity.subject))
    }

    async fn profile(&self, id: UserId) -> Result<Option<Profile>> {
        Ok(lock(&self.users).get(&id).map(|user| Profile {
            user: user.clone(),
            followers: 0,
            following: 0,
            live_stream_id: None,
        }))
    }
}

#[async_trait]
impl PendingChanges for FakeStore {
    async fn lead(&self) -> Result<bool> {
        Ok(true)
    }

    async fn outbox(&self, _: u32) -> Result<Vec<OutboxRow>> {
        Ok(Vec::new())
    }

    async fn changes(&self, _: u32) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    async fn delete_sent(&self, _: &[i64], _: &[i64]) -> Result<()> {
        Ok(())
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn expire_idempotency(&self, _: Timestamp, _: Duration) -> Result<u64> {
        Ok(0)
    }

    async fn running(&self, after: Option<StreamId>, limit: u32) -> Result<Vec<LiveStream>> {
        self.ask()?;
        let streams = lock(&self.streams);
        let mut live: Vec<_> = streams
            .values()
            .filter(|s| s.is_live() && after.is_none_or(|after| s.id > after))
            .cloned()
            .collect();
        live.sort_by_key(|s| s.id);
        live.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(live)
    }
}

/// Running rooms over fakes.
#[derive(Debug)]
pub struct LiveWorld {
    /// Rows.
    pub store: Arc<FakeStore>,
    /// Sequences.
    pub bus: Arc<FakeBus>,
    /// What is tested.
    pub streams: StreamsHandle,
    /// The running actors.
    pub root: Root,
    /// How often something was committed that the log is owed.
    pub commits: Arc<AtomicUsize>,
}

impl LiveWorld {
    /// An empty world.
    ///
    /// # Errors
    /// When an actor cannot be started.
    pub async fn start(settings: StreamSettings) -> Result<Self> {
        Self::resume(Arc::default(), Arc::default(), settings).await
    }

    /// A new process over what an earlier one left.
    ///
    /// # Errors
    /// When an actor cannot be started.
    pub async fn resume(store: Arc<FakeStore>, bus: Arc<FakeBus>, settings: StreamSettings) -> Result<Self> {
        type Users = Loader<UserId, User>;
        type Streams = Loader<StreamId, LiveStream>;
        let users = Address::vacant(Users::KIND, "loader:users", 1_024);
        let rows = Address::vacant(Streams::KIND, "loader:streams", 1_024);
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&commits);
        let deadline = Duration::from_secs(2);
        let ports = StreamPorts {
            store: Arc::clone(&store) as Arc<dyn StreamStore>,
            pending: Arc::clone(&store) as Arc<dyn PendingChanges>,
            bus: Arc::clone(&bus) as Arc<dyn crate::ports::rooms::RoomBus>,
            clock: Arc::new(ManualClock::starting_at(Timestamp::from_millis(
                1_700_000_000_000,
            ))),
            streams: StreamLoader::new(rows.clone(), deadline),
            users: UserLoader::new(users.clone(), deadline),
            committed: Arc::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            }),
        };
        let streams = StreamsHandle::new(ports, settings);
        let user_args = LoaderArgs {
            entity: "users",
            fetch: Arc::new(FetchUsers(Arc::clone(&store) as Arc<dyn UserDirectory>)),
            settings: LoaderSettings::default(),
        };
        let row_args = LoaderArgs {
            entity: "streams",
            fetch: Arc::new(FetchStreams(Arc::clone(&store) as Arc<dyn StreamStore>)),
            settings: LoaderSettings::default(),
        };
        let group = GroupSpec::new("root")
            .child::<Users>(&users, ChildSpec::permanent("loader:users"), user_args)
            .child::<Streams>(&rows, ChildSpec::permanent("loader:streams"), row_args);
        let root = Root::start(streams.supervise(group)).await?;
        Ok(Self {
            store,
            bus,
            streams,
            root,
            commits,
        })
    }

    /// A live stream of `creator`.
    ///
    /// # Errors
    /// Of the handle.
    pub async fn go_live(&self, creator: &User) -> Result<LiveStream> {
        let new = NewStream::parse("Title".into(), None, "music".into(), None, &["music".to_owned()])?;
        let started = self
            .streams
            .start(creator.id, new, WriteContext::untracked())
            .await?;
        Ok(started.into_inner().stream)
    }
}
