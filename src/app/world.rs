//! The outside world as the configuration names it: the one place that chooses adapters.

use std::sync::Arc;

use nova_actors::Result;
use nova_actors::ports::log::EventSink;
use nova_actors::ports::{Clock, analytics, log, rooms, store};
use nova_actors::system::Ports;

use super::settings;
use crate::adapters::analytics::sqlite::SqliteAnalytics;
use crate::adapters::cache::memory::MemoryCache;
use crate::adapters::log::sqlite::SqliteLog;
use crate::adapters::rooms::memory::MemoryRoomBus;
use crate::adapters::store::SqliteStore;
use crate::config::Config;

/// Memory for ranked feeds, in bytes.
const FEED_CACHE: u64 = 128 * 1024 * 1024;

/// Open databases, and what lives in memory beside them.
pub(super) struct World {
    pub(super) store: Arc<SqliteStore>,
    pub(super) log: SqliteLog,
    pub(super) analytics: Arc<SqliteAnalytics>,
    rooms: Arc<MemoryRoomBus>,
    cache: Arc<MemoryCache>,
    clock: Arc<dyn Clock>,
}

impl World {
    /// Opens (and migrates) the databases and creates the topics.
    pub(super) async fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self> {
        let data = &config.data;
        let store = Arc::new(SqliteStore::open(&data.store.path(&data.dir)).await?);
        let log = SqliteLog::open(&data.log.path(&data.dir)).await?;
        log.ensure_topics(&settings::topics()).await?;
        let analytics = Arc::new(SqliteAnalytics::open(&data.analytics.path(&data.dir)).await?);
        let rooms = Arc::new(MemoryRoomBus::new(Arc::new(log.journal()), Arc::clone(clock)));
        let cache = Arc::new(MemoryCache::new(FEED_CACHE));
        Ok(Self {
            store,
            log,
            analytics,
            rooms,
            cache,
            clock: Arc::clone(clock),
        })
    }

    /// The world as the actors see it.
    pub(super) fn ports(&self) -> Ports {
        Ports {
            users: Arc::clone(&self.store) as Arc<dyn store::UserDirectory>,
            streams: Arc::clone(&self.store) as Arc<dyn store::StreamStore>,
            social: Arc::clone(&self.store) as Arc<dyn store::SocialStore>,
            posts: Arc::clone(&self.store) as Arc<dyn store::PostReader>,
            pending: Arc::clone(&self.store) as Arc<dyn store::PendingChanges>,
            sink: Arc::new(self.log.clone()),
            source: Arc::new(self.log.clone()) as Arc<dyn log::EventSource>,
            analytics: Arc::clone(&self.analytics) as Arc<dyn analytics::AnalyticsSink>,
            candidates: Arc::clone(&self.analytics) as Arc<dyn analytics::FeedSource>,
            cache: Arc::clone(&self.cache) as Arc<dyn nova_actors::ports::Cache>,
            rooms: Arc::clone(&self.rooms) as Arc<dyn rooms::RoomBus>,
            retention: Some(Arc::new(self.log.clone())),
            journal: Some(Arc::new(self.log.journal())),
            partitions: None,
            clock: Arc::clone(&self.clock),
        }
    }

    /// See `App::store_queries`.
    pub(super) fn store_queries(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let store = Arc::clone(&self.store);
        move || store.queries()
    }

    /// Closes everything, after what runs: the rooms before the journal below them.
    pub(super) async fn close(&self) {
        self.rooms.close().await;
        self.log.close().await;
        self.analytics.close().await;
        self.store.close().await;
    }
}
