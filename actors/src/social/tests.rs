//! The write workers against a store that can be slow.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::actor::{Msg, Write};
use super::*;
use crate::domain::{
    IdempotencyKey, NewPost, Post, PostId, Timestamp, TraceParent, UserId, WriteContext, Written,
};
use crate::error::{Error, Kind, Result};
use crate::ports::store::SocialStore;
use crate::runtime::{Address, CallError, Reply};
use crate::testing::{ManualClock, spawn_root};

/// Writes take a while; overlapping ones of the same user are noticed.
#[derive(Default)]
struct SlowStore {
    running: Mutex<HashSet<UserId>>,
    most_at_once: AtomicUsize,
    overlap: AtomicBool,
    written: Mutex<Vec<String>>,
}

#[async_trait]
impl SocialStore for SlowStore {
    async fn create_post(
        &self,
        by: UserId,
        new: &NewPost,
        _: &WriteContext,
        at: Timestamp,
    ) -> Result<Written<Post>> {
        if !self.running.lock().unwrap().insert(by) {
            self.overlap.store(true, Ordering::Relaxed);
        }
        self.most_at_once
            .fetch_max(self.running.lock().unwrap().len(), Ordering::Relaxed);
        sleep(Duration::from_millis(50)).await;
        self.running.lock().unwrap().remove(&by);
        self.written.lock().unwrap().push(new.text.clone());
        if new.text == "hangs" {
            std::future::pending::<()>().await;
        }
        let post = Post {
            id: PostId::new(),
            author_id: by,
            text: new.text.clone(),
            media_url: None,
            created_at: at,
            likes: 0,
            comments: 0,
        };
        Ok(Written::Fresh(post))
    }

    async fn delete_post(&self, _: PostId, _: UserId, _: &WriteContext, _: Timestamp) -> Result<()> {
        Err(Error::not_found("post"))
    }

    async fn set_like(&self, _: UserId, _: PostId, _: bool, _: &WriteContext, _: Timestamp) -> Result<bool> {
        Ok(true)
    }

    async fn set_follow(
        &self,
        _: UserId,
        _: UserId,
        _: bool,
        _: &WriteContext,
        _: Timestamp,
    ) -> Result<bool> {
        Ok(true)
    }
}

async fn worker(store: &Arc<SlowStore>) -> (Address<Msg>, crate::runtime::Root) {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(0)));
    let args = SocialArgs {
        store: Arc::clone(store) as Arc<dyn SocialStore>,
        clock,
        deadline: Duration::from_secs(2),
    };
    spawn_root::<SocialWorker>(args).await.unwrap()
}

fn post(worker: &Address<Msg>, user: UserId, key: Option<&str>, text: &str) -> Waiting {
    let idempotency = key.map(|key| IdempotencyKey {
        user,
        route: "POST /posts",
        key: key.to_owned(),
        fingerprint: [0; 32],
    });
    let (reply, answer) = Reply::channel();
    let new = NewPost::parse(text.to_owned(), None).unwrap();
    let ctx = WriteContext {
        traceparent: TraceParent::root(),
        idempotency,
    };
    worker
        .tell(Msg::write(user, ctx, Write::CreatePost { new, reply }))
        .unwrap();
    answer
}

type Waiting = tokio::sync::oneshot::Receiver<Result<Written<Post>>>;

#[tokio::test(start_paused = true)]
async fn one_user_writes_in_order_and_users_write_side_by_side() {
    let store = Arc::new(SlowStore::default());
    let (worker, _root) = worker(&store).await;
    let (ana, ben) = (UserId::new(), UserId::new());
    let waiting: HashMap<_, _> = ["a1", "a2", "a3", "b1"]
        .into_iter()
        .map(|text| {
            (
                text,
                post(&worker, if text.starts_with('a') { ana } else { ben }, None, text),
            )
        })
        .collect();
    for (_, answer) in waiting {
        assert!(answer.await.unwrap().is_ok());
    }
    assert!(
        !store.overlap.load(Ordering::Relaxed),
        "two writes of one user overlapped"
    );
    assert_eq!(store.most_at_once.load(Ordering::Relaxed), 2);
    let written = store.written.lock().unwrap();
    let of_ana: Vec<_> = written.iter().filter(|t| t.starts_with('a')).collect();
    assert_eq!(of_ana, ["a1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_still_running_is_refused_and_writes_once() {
    let store = Arc::new(SlowStore::default());
    let (worker, _root) = worker(&store).await;
    let ana = UserId::new();
    let (first, second) = (
        post(&worker, ana, Some("k"), "x"),
        post(&worker, ana, Some("k"), "x"),
    );
    assert_eq!(
        *second.await.unwrap().unwrap_err().kind(),
        Kind::IdempotencyInFlight
    );
    assert!(first.await.unwrap().is_ok());
    assert_eq!(store.written.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_ends_at_its_deadline_and_the_next_one_runs() {
    let store = Arc::new(SlowStore::default());
    let (worker, _root) = worker(&store).await;
    let ana = UserId::new();
    let (hangs, next) = (
        post(&worker, ana, None, "hangs"),
        post(&worker, ana, None, "next"),
    );
    assert_eq!(*hangs.await.unwrap().unwrap_err().kind(), Kind::Timeout);
    assert!(next.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn writes_that_wait_count_against_the_mailbox() {
    let store = Arc::new(SlowStore::default());
    let (worker, _root) = worker(&store).await;
    let ana = UserId::new();
    let mut waiting = vec![post(&worker, ana, None, "hangs")];
    let mut refused = 0;
    for _ in 0..3_000 {
        // Lets the worker take the message out of its mailbox.
        tokio::task::yield_now().await;
        let (reply, answer) = Reply::channel();
        let new = NewPost::parse("x".to_owned(), None).unwrap();
        let ctx = WriteContext {
            traceparent: TraceParent::root(),
            idempotency: None,
        };
        match worker.tell(Msg::write(ana, ctx, Write::CreatePost { new, reply })) {
            Ok(()) => waiting.push(answer),
            Err(error) => {
                assert_eq!(error, CallError::Overloaded);
                refused += 1;
            }
        }
    }
    assert!(refused > 1_900, "{refused} of 3,000 refused");
    drop(waiting);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(
        store.written.lock().unwrap().len(),
        1,
        "nobody waits for the others any more"
    );
    assert!(
        post(&worker, ana, None, "next").await.unwrap().is_ok(),
        "there is room again"
    );
}
