//! The embedded databases without the rest of the program: what `nova migrate` and `nova seed` work on.

use std::sync::Arc;

use nova_actors::ports::Clock;

use crate::adapters::MigrationState;
use crate::adapters::analytics::sqlite::SqliteAnalytics;
use crate::adapters::clock::SystemClock;
use crate::adapters::log::sqlite::SqliteLog;
use crate::adapters::store::SqliteStore;
use crate::config::Config;
use crate::demo::{self, Progress, Stores, World};
use crate::failure::Failure;

/// The migrations of every embedded database, and which are applied. Creates nothing.
///
/// # Errors
/// A dependency failure when a database cannot be read.
pub async fn migrations(config: &Config) -> Result<Vec<MigrationState>, Failure> {
    let data = &config.data;
    let mut states = SqliteStore::migrations(&data.store.path(&data.dir)).await?;
    states.extend(SqliteLog::migrations(&data.log.path(&data.dir)).await?);
    states.extend(SqliteAnalytics::migrations(&data.analytics.path(&data.dir)).await?);
    Ok(states)
}

/// Brings every embedded database up to date, creating those that are missing.
///
/// # Errors
/// A dependency failure when a database cannot be opened or migrated.
pub async fn migrate(config: &Config) -> Result<(), Failure> {
    let data = &config.data;
    // Opening migrates.
    SqliteStore::open(&data.store.path(&data.dir))
        .await?
        .close()
        .await;
    SqliteLog::open(&data.log.path(&data.dir)).await?.close().await;
    SqliteAnalytics::open(&data.analytics.path(&data.dir))
        .await?
        .close()
        .await;
    Ok(())
}

/// Makes the demo world in the store of `config`, or finds the one that is there.
///
/// # Errors
/// A dependency failure when the store cannot be opened or written.
pub async fn seed(config: &Config, progress: &Progress) -> Result<World, Failure> {
    let data = &config.data;
    let store = Arc::new(SqliteStore::open(&data.store.path(&data.dir)).await?);
    let stores = Stores {
        users: store.clone(),
        streams: store.clone(),
        social: store.clone(),
    };
    let world = demo::seed(
        &stores,
        &config.auth.issuer,
        &config.streams.categories,
        SystemClock.now(),
        progress,
    )
    .await;
    store.close().await;
    Ok(world?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use nova_actors::domain::UserId;
    use nova_actors::ports::store::{PostReader, StreamStore, UserDirectory};

    use super::*;
    use crate::config::{Sources, load};

    fn config(dir: &std::path::Path) -> Config {
        let sources = Sources::default().flag("--data-dir", "data.dir", Some(dir.display()));
        load(&sources).unwrap().config
    }

    #[tokio::test]
    async fn migrating_applies_everything_once() {
        let temp = tempfile::tempdir().unwrap();
        let config = config(temp.path());
        let before = migrations(&config).await.unwrap();
        assert!(before.len() >= 3 && before.iter().all(|state| !state.applied));
        migrate(&config).await.unwrap();
        migrate(&config).await.unwrap();
        let after = migrations(&config).await.unwrap();
        assert_eq!(after.len(), before.len());
        assert!(after.iter().all(|state| state.applied), "{after:?}");
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_a_dependency_failure() {
        let failure = migrate(&config("/nonexistent/nova".as_ref())).await.unwrap_err();
        assert_eq!(failure.exit().code(), 69, "{failure}");
    }

    #[tokio::test]
    async fn the_real_store_takes_the_demo_world_once_and_quickly() {
        let temp = tempfile::tempdir().unwrap();
        let config = config(temp.path());
        let began = Instant::now();
        let first = seed(&config, &Progress::hidden()).await.unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "took {:?}",
            began.elapsed()
        );
        let second = seed(&config, &Progress::hidden()).await.unwrap();
        assert_eq!(second.posts_written, 0);
        assert_eq!(second.people, first.people);

        let store = SqliteStore::open(&config.data.store.path(&config.data.dir))
            .await
            .unwrap();
        let live = store.live(None, 1, 50).await.unwrap();
        assert!(live.total >= 3 && live.total == first.streams.len() as u64);
        let everyone_else = store.recent(UserId::new(), 100).await.unwrap();
        assert_eq!(everyone_else.len(), first.posts_written);
        assert!(first.posts_written >= 30);
        let ids: Vec<_> = everyone_else.iter().map(|candidate| candidate.post_id).collect();
        let posts = store.posts(&ids).await.unwrap();
        assert!(posts.values().all(|post| post.likes > 0));
        let profile = store.profile(first.people[0].id).await.unwrap().unwrap();
        assert!(profile.followers > 0 && profile.following > 0);
        assert_eq!(profile.user.username, "mira_k");
    }
}
