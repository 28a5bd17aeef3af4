//! Each rule of the batcher, under a paused clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::domain::{Timestamp, User, UserId};
use crate::error::{Error, Kind, Result};
use crate::runtime::{Address, Root};

const QUERY_TIME: Duration = Duration::from_millis(20);

/// A directory that remembers each query and can be told to fail.
#[derive(Default)]
struct Directory {
    users: HashMap<UserId, User>,
    queries: Mutex<Vec<Vec<UserId>>>,
    failures: AtomicUsize,
}

#[async_trait]
impl Fetch<UserId, User> for Directory {
    async fn fetch(&self, keys: &[UserId]) -> Result<HashMap<UserId, User>> {
        self.queries.lock().unwrap().push(keys.to_vec());
        sleep(QUERY_TIME).await;
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::unavailable("store"));
        }
        Ok(keys
            .iter()
            .filter_map(|k| Some((*k, self.users.get(k)?.clone())))
            .collect())
    }
}

impl Directory {
    fn of(people: usize) -> (Arc<Self>, Vec<UserId>) {
        let ids: Vec<_> = (0..people).map(|_| UserId::new()).collect();
        let users = ids.iter().map(|id| (*id, user(*id))).collect();
        (
            Arc::new(Self {
                users,
                ..Self::default()
            }),
            ids,
        )
    }

    fn sizes(&self) -> Vec<usize> {
        self.queries.lock().unwrap().iter().map(Vec::len).collect()
    }
}

fn user(id: UserId) -> User {
    User {
        id,
        username: format!("user_{id}"),
        display_name: String::new(),
        avatar_url: None,
        bio: String::new(),
        created_at: Timestamp::from_millis(0),
    }
}

async fn loader(directory: &Arc<Directory>, max_in_flight: usize) -> (UserLoader, Root) {
    let settings = LoaderSettings {
        max_in_flight,
        ..LoaderSettings::default()
    };
    let address = Address::vacant("loader", "loader:users", 1_024);
    let args = LoaderArgs {
        entity: "users",
        fetch: Arc::clone(directory) as Arc<dyn Fetch<_, _>>,
        settings,
    };
    let root = Root::start_actor::<Loader<UserId, User>>(&address, args)
        .await
        .unwrap();
    (LoaderHandle::new(address, Duration::from_secs(5)), root)
}

#[tokio::test(start_paused = true)]
async fn test_get_creators_batch_empty_input() {
    let (directory, _) = Directory::of(1);
    let (loader, _root) = loader(&directory, 1).await;
    assert!(loader.load_many(Vec::new()).await.unwrap().is_empty());
    assert!(directory.sizes().is_empty(), "empty input asks nothing");
}

#[tokio::test(start_paused = true)]
async fn test_get_creators_batch_single_creator() {
    let (directory, ids) = Directory::of(1);
    let (loader, _root) = loader(&directory, 1).await;
    let begun = Instant::now();
    assert_eq!(loader.load(ids[0]).await.unwrap(), Some(user(ids[0])));
    assert_eq!(begun.elapsed(), QUERY_TIME, "a lone caller waits for no timer");
    assert_eq!(directory.sizes(), [1]);
}

#[tokio::test(start_paused = true)]
async fn test_get_creators_batch_multiple_creators() {
    let (directory, ids) = Directory::of(3);
    let (loader, _root) = loader(&directory, 1).await;
    let found = loader
        .load_many(vec![ids[0], ids[1], ids[0], ids[2]])
        .await
        .unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(
        directory.sizes(),
        [3],
        "one message is one batch, without repeats"
    );
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_one_query_while_another_is_in_flight() {
    let (directory, ids) = Directory::of(64);
    let (loader, _root) = loader(&directory, 1).await;
    let found = join_all((0..640).map(|n| loader.load(ids[n % 64]))).await;
    assert!(found.into_iter().all(|f| f.unwrap().is_some()));
    assert_eq!(
        directory.sizes(),
        [1, 64],
        "the first goes at once, the rest accumulate and are de-duplicated"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_is_absent_and_harms_nobody() {
    let (directory, ids) = Directory::of(1);
    let (loader, _root) = loader(&directory, 1).await;
    let stranger = UserId::new();
    let found = loader.load_many(vec![ids[0], stranger]).await.unwrap();
    assert!(found.contains_key(&ids[0]) && !found.contains_key(&stranger));
    assert_eq!(loader.load(stranger).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_every_waiter_and_the_next_query_works() {
    let (directory, ids) = Directory::of(10);
    directory.failures.store(2, Ordering::Relaxed);
    let (loader, _root) = loader(&directory, 1).await;
    for outcome in join_all(ids.iter().map(|id| loader.load(*id))).await {
        assert_eq!(*outcome.unwrap_err().kind(), Kind::Unavailable);
    }
    assert!(loader.load(ids[0]).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_left_is_not_fetched_for() {
    let (directory, ids) = Directory::of(3);
    let (loader, _root) = loader(&directory, 1).await;
    let first = loader.load(ids[0]);
    let left = timeout(QUERY_TIME / 2, loader.load(ids[1]));
    let (first, left) = tokio::join!(first, left);
    assert!(first.unwrap().is_some() && left.is_err());
    assert!(loader.load(ids[2]).await.unwrap().is_some());
    assert!(
        directory
            .queries
            .lock()
            .unwrap()
            .iter()
            .flatten()
            .all(|key| *key != ids[1])
    );
}

#[tokio::test(start_paused = true)]
async fn only_a_request_above_the_limit_is_split() {
    let (directory, ids) = Directory::of(1_200);
    let (loader, _root) = loader(&directory, 1).await;
    let (big, small, smaller) = tokio::join!(
        loader.load_many(ids.clone()),
        loader.load_many(ids[..400].to_vec()),
        loader.load_many(ids[400..550].to_vec()),
    );
    assert_eq!(
        (big.unwrap().len(), small.unwrap().len(), smaller.unwrap().len()),
        (1_200, 400, 150)
    );
    // 500 + 500 of the first, then its last 200 alone (400 more would not fit), then the other two: each whole.
    assert_eq!(directory.sizes(), [500, 500, 200, 400, 150]);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_hangs_ends_at_its_deadline() {
    struct Hangs;
    #[async_trait]
    impl Fetch<UserId, User> for Hangs {
        async fn fetch(&self, _: &[UserId]) -> Result<HashMap<UserId, User>> {
            std::future::pending().await
        }
    }
    let args = LoaderArgs {
        entity: "users",
        fetch: Arc::new(Hangs),
        settings: LoaderSettings::default(),
    };
    let address = Address::vacant("loader", "loader:users", 1_024);
    let _root = Root::start_actor::<Loader<UserId, User>>(&address, args)
        .await
        .unwrap();
    let loader = UserLoader::new(address, Duration::from_secs(5));
    let begun = Instant::now();
    assert_eq!(
        *loader.load(UserId::new()).await.unwrap_err().kind(),
        Kind::Timeout
    );
    assert_eq!(begun.elapsed(), LoaderSettings::default().deadline);
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_count_against_the_mailbox() {
    let (directory, ids) = Directory::of(1);
    let (loader, _root) = loader(&directory, 1).await;
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for _ in 0..3_000 {
        let mut load = Box::pin(loader.load(ids[0]));
        match load.as_mut().now_or_never() {
            None => waiting.push(load),
            Some(outcome) => {
                assert_eq!(*outcome.unwrap_err().kind(), Kind::Overloaded);
                refused += 1;
            }
        }
        // Lets the loader take the message out of its mailbox.
        tokio::task::yield_now().await;
    }
    assert_eq!((waiting.len(), refused), (1_024, 3_000 - 1_024));
    for load in waiting {
        assert!(load.await.unwrap().is_some());
    }
}
