//! The tree of actors, built from ports and settings; production and tests start the same one.
//!
//! ```text
//! root
//! ├─ loaders     loader:users, loader:streams, loader:posts
//! ├─ publisher   relay
//! ├─ feed        feed/ranker/<n>, invalidator
//! ├─ social      social/<n>
//! ├─ streams     directory ─ stream/<id> ─ shard/<id>/<n>
//! ├─ consumers   cdc
//! ├─ jobs        job/retention, job/partitions
//! └─ process     what the program adds: its probes, the demo conversation
//! ```
//!
//! Started from top to bottom, so that everyone finds what it calls; drained from bottom to top.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::consumers::cdc::{CdcArgs, CdcConsumer, CdcHandle, CdcSettings};
use crate::error::Result;
use crate::feed::{CursorKey, FeedArgs, FeedHandle, FeedSettings};
use crate::invalidation::{Invalidator, InvalidatorArgs, InvalidatorHandle};
use crate::jobs::{Job, NextPartitions, PeriodicJob, PeriodicJobArgs, Retention};
use crate::loader::{
    Fetch, FetchPosts, FetchStreams, FetchUsers, Loader, LoaderArgs, LoaderHandle, LoaderSettings,
    PostLoader, StreamLoader, UserLoader,
};
use crate::ports::analytics::{AnalyticsSink, FeedSource};
use crate::ports::log::{EventSink, EventSource, LogRetention};
use crate::ports::rooms::{RoomBus, RoomJournal};
use crate::ports::store::{Partitions, PendingChanges, PostReader, SocialStore, StreamStore, UserDirectory};
use crate::ports::{Cache, Clock};
use crate::publisher::{Relay, RelayArgs, RelayHandle, RelaySettings};
use crate::runtime::tree::ActorTree;
use crate::runtime::{Actor, Address, ChildSpec, GroupSpec, Pool, Root};
use crate::social::{PostViews, SocialArgs, SocialHandle, SocialWorker};
use crate::streams::{StreamPorts, StreamSettings, StreamsHandle};
use crate::users::UsersHandle;

/// Mailbox bound of a pool's member.
const POOL_CAPACITY: usize = 1_024;
/// Mailbox bound of a loader; a request counts until it is answered, and each page makes several.
const LOADER_CAPACITY: usize = 8_192;
/// Loaders and social workers answer within this, or the caller is told that they did not.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// A job that is not done by then is given up until its next turn.
const JOB_DEADLINE: Duration = Duration::from_secs(300);

/// How often the next partitions are looked after.
const PARTITIONS_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// The world, as the actors need it.
#[derive(Clone)]
pub struct Ports {
    /// People.
    pub users: Arc<dyn UserDirectory>,
    /// Live streams.
    pub streams: Arc<dyn StreamStore>,
    /// Writes of posts, likes and follows.
    pub social: Arc<dyn SocialStore>,
    /// Reads of posts, likes and follows.
    pub posts: Arc<dyn PostReader>,
    /// What the store owes the event log.
    pub pending: Arc<dyn PendingChanges>,
    /// The event log's writing side.
    pub sink: Arc<dyn EventSink>,
    /// The event log's reading side.
    pub source: Arc<dyn EventSource>,
    /// Writes of derived tables.
    pub analytics: Arc<dyn AnalyticsSink>,
    /// The feed's queries on them.
    pub candidates: Arc<dyn FeedSource>,
    /// Ranked snapshots.
    pub cache: Arc<dyn Cache>,
    /// Sequence, history and fan-out of rooms.
    pub rooms: Arc<dyn RoomBus>,
    /// Retention of records, where Nova keeps the log itself.
    pub retention: Option<Arc<dyn LogRetention>>,
    /// Retention of room events, where Nova keeps them itself.
    pub journal: Option<Arc<dyn RoomJournal>>,
    /// Tables that are split by time, where the store has them.
    pub partitions: Option<Arc<dyn Partitions>>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

/// What an operator can change, and what differs per process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Live streams and rooms.
    pub streams: StreamSettings,
    /// The feed.
    pub feed: FeedSettings,
    /// Signs feed cursors.
    pub cursor_key: CursorKey,
    /// Batches of reads.
    pub loaders: LoaderSettings,
    /// The relay.
    pub relay: RelaySettings,
    /// The cdc consumer.
    pub cdc: CdcSettings,
    /// Workers for posts, likes and follows.
    pub social_workers: usize,
    /// Longest time for one write.
    pub write_deadline: Duration,
    /// Topics whose old records are trimmed.
    pub topics: Vec<String>,
    /// How often old data is trimmed.
    pub retention_every: Duration,
    /// Names this process in the ledger.
    pub owner: String,
}

/// The ways into the actors, for the edge.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Live streams and rooms.
    pub streams: StreamsHandle,
    /// People.
    pub users: UsersHandle,
    /// Posts, likes, follows.
    pub social: SocialHandle,
    /// Feeds.
    pub feed: FeedHandle,
}

/// The running actors.
#[derive(Debug)]
pub struct ActorSystem {
    handles: Handles,
    root: Root,
}

impl ActorSystem {
    /// Starts every actor; the group that `more` makes of the handles comes last.
    ///
    /// # Errors
    /// When an actor refuses its arguments.
    pub async fn start(
        ports: Ports,
        settings: Settings,
        more: impl FnOnce(&Handles) -> GroupSpec + Send,
    ) -> Result<Self> {
        let (loaders, users, streams, posts) = loaders(&ports, &settings);
        let (publisher, relay) = publisher(&ports, &settings);
        let views = PostViews::new(posts, users.clone(), Arc::clone(&ports.posts));
        let (feed_group, feed, invalidator) = feed(&ports, &settings, &views);
        let (social_group, social) = social(&ports, &settings, views, &relay, &feed);
        let committed = relay.clone();
        let stream_ports = StreamPorts {
            store: Arc::clone(&ports.streams),
            pending: Arc::clone(&ports.pending),
            bus: Arc::clone(&ports.rooms),
            clock: Arc::clone(&ports.clock),
            streams,
            users: users.clone(),
            committed: Arc::new(move || committed.wake()),
        };
        let streams = StreamsHandle::new(stream_ports, settings.streams.clone());
        let users_handle = UsersHandle::new(Arc::clone(&ports.users), users, Arc::clone(&ports.clock));
        let handles = Handles {
            streams: streams.clone(),
            users: users_handle,
            social,
            feed,
        };
        let root = GroupSpec::new("root")
            .group(loaders)
            .group(publisher)
            .group(feed_group)
            .group(social_group)
            .group(streams.supervise(GroupSpec::new("streams")))
            .group(consumers(&ports, &settings, invalidator))
            .group(jobs(&ports, &settings))
            .group(more(&handles));
        Ok(Self {
            handles,
            root: Root::start(root).await?,
        })
    }

    /// The ways in.
    #[must_use]
    pub const fn handles(&self) -> &Handles {
        &self.handles
    }

    /// The tree, for operators.
    #[must_use]
    pub fn tree(&self) -> ActorTree {
        self.root.tree()
    }

    /// Resolves when the root has given up (or was drained): the process cannot go on.
    pub async fn ended(&self) {
        self.root.ended().await;
    }

    /// Stops every actor in order within `deadline`; `false` when some had to be killed.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.root.drain(deadline).await
    }
}

fn loaders(ports: &Ports, settings: &Settings) -> (GroupSpec, UserLoader, StreamLoader, PostLoader) {
    let group = GroupSpec::new("loaders");
    let fetch = Arc::new(FetchUsers(Arc::clone(&ports.users)));
    let (group, users) = loader("users", "loader:users", fetch, settings, group);
    let fetch = Arc::new(FetchStreams(Arc::clone(&ports.streams)));
    let (group, streams) = loader("streams", "loader:streams", fetch, settings, group);
    let fetch = Arc::new(FetchPosts(Arc::clone(&ports.posts)));
    let (group, posts) = loader("posts", "loader:posts", fetch, settings, group);
    (group, users, streams, posts)
}

fn loader<K, V>(
    entity: &'static str,
    name: &'static str,
    fetch: Arc<dyn Fetch<K, V>>,
    settings: &Settings,
    group: GroupSpec,
) -> (GroupSpec, LoaderHandle<K, V>)
where
    K: Copy + Eq + std::hash::Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let address = Address::vacant(Loader::<K, V>::KIND, name, LOADER_CAPACITY);
    let args = LoaderArgs {
        entity,
        fetch,
        settings: settings.loaders,
    };
    let group = group.child::<Loader<K, V>>(&address, ChildSpec::permanent(name), args);
    (group, LoaderHandle::new(address, ANSWER_DEADLINE))
}

fn publisher(ports: &Ports, settings: &Settings) -> (GroupSpec, RelayHandle) {
    let woken = Arc::new(AtomicBool::new(false));
    let address = Address::vacant(Relay::KIND, "relay", POOL_CAPACITY);
    let args = RelayArgs {
        store: Arc::clone(&ports.pending),
        log: Arc::clone(&ports.sink),
        clock: Arc::clone(&ports.clock),
        settings: settings.relay,
        woken: Arc::clone(&woken),
    };
    let group = GroupSpec::new("publisher").child::<Relay>(&address, ChildSpec::permanent("relay"), args);
    (group, RelayHandle::new(address, woken))
}

fn feed(ports: &Ports, settings: &Settings, views: &PostViews) -> (GroupSpec, FeedHandle, InvalidatorHandle) {
    let args = FeedArgs {
        source: Arc::clone(&ports.candidates),
        posts: Arc::clone(&ports.posts),
        cache: Arc::clone(&ports.cache),
        clock: Arc::clone(&ports.clock),
        hydrate: Arc::new(views.clone()),
        key: settings.cursor_key.clone(),
        settings: settings.feed,
    };
    let (feed, group) = FeedHandle::supervised(args, GroupSpec::new("feed"));
    let address = Address::vacant(Invalidator::KIND, "invalidator", POOL_CAPACITY);
    let handle = InvalidatorHandle::new(address.clone());
    let args = InvalidatorArgs {
        handle: handle.clone(),
        posts: Arc::clone(&ports.posts),
        feed: feed.clone(),
        retry: settings.relay.retry,
    };
    let group = group.child::<Invalidator>(&address, ChildSpec::permanent("invalidator"), args);
    (group, feed, handle)
}

fn social(
    ports: &Ports,
    settings: &Settings,
    views: PostViews,
    relay: &RelayHandle,
    feed: &FeedHandle,
) -> (GroupSpec, SocialHandle) {
    let workers = Pool::vacant(
        SocialWorker::KIND,
        "social",
        settings.social_workers,
        POOL_CAPACITY,
    );
    let args = SocialArgs {
        store: Arc::clone(&ports.social),
        clock: Arc::clone(&ports.clock),
        deadline: settings.write_deadline,
    };
    let group = workers.supervise::<SocialWorker>(GroupSpec::new("social"), &args);
    let handle = SocialHandle::new(workers, views, relay.clone(), feed.clone(), ANSWER_DEADLINE);
    (group, handle)
}

fn consumers(ports: &Ports, settings: &Settings, invalidator: InvalidatorHandle) -> GroupSpec {
    let address = CdcHandle::vacant(CdcConsumer::KIND, "cdc", POOL_CAPACITY);
    let args = CdcArgs {
        log: Arc::clone(&ports.source),
        sink: Arc::clone(&ports.analytics),
        landed: Arc::new(invalidator),
        clock: Arc::clone(&ports.clock),
        owner: settings.owner.clone(),
        settings: settings.cdc,
    };
    GroupSpec::new("consumers").child::<CdcConsumer>(&address, ChildSpec::permanent("cdc"), args)
}

fn jobs(ports: &Ports, settings: &Settings) -> GroupSpec {
    let retention = Retention {
        store: Arc::clone(&ports.pending),
        log: ports.retention.clone(),
        journal: ports.journal.clone(),
        topics: settings.topics.clone(),
    };
    let group = GroupSpec::new("jobs");
    let group = periodic(group, ports, Arc::new(retention), settings.retention_every);
    match &ports.partitions {
        Some(store) => {
            let store = Arc::clone(store);
            periodic(group, ports, Arc::new(NextPartitions { store }), PARTITIONS_EVERY)
        }
        None => group,
    }
}

fn periodic(group: GroupSpec, ports: &Ports, job: Arc<dyn Job>, every: Duration) -> GroupSpec {
    let name = format!("job/{}", job.name());
    let args = PeriodicJobArgs {
        job,
        every,
        deadline: JOB_DEADLINE,
        clock: Arc::clone(&ports.clock),
    };
    let address = Address::vacant(PeriodicJob::KIND, name.clone(), 16);
    group.child::<PeriodicJob>(&address, ChildSpec::permanent(name), args)
}
