//! Of several processes one sends what is owed.

use std::time::Duration;

use nova_actors::ports::store::PendingChanges;

use super::PostgresDatabase;
use crate::harness::{PATIENCE, eventually};

impl PostgresDatabase {
    /// Ends the session that holds the lock of the relay; answers whether there was one.
    async fn end_leader(&self) -> bool {
        let ended = self
            .rows(
                "select pg_terminate_backend(l.pid) from pg_locks l
                 join pg_database d on d.oid = l.database and d.datname = current_database()
                 where l.locktype = 'advisory' and l.granted",
            )
            .await;
        !ended.is_empty()
    }
}

#[tokio::test]
async fn one_process_leads_and_another_one_after_it() {
    let database = PostgresDatabase::migrated().await;
    let (one, two) = (database.store().await, database.store().await);
    for _ in 0..3 {
        assert!(one.lead().await.unwrap());
        assert!(!two.lead().await.unwrap());
    }
    one.close().await;
    eventually("the other process leads", PATIENCE, async || {
        two.lead()
            .await
            .unwrap()
            .then_some(())
            .ok_or_else(|| "it does not".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_leader_whose_session_was_killed_learns_that_another_one_leads() {
    let database = PostgresDatabase::migrated().await;
    let (one, two) = (database.store().await, database.store().await);
    assert!(one.lead().await.unwrap());
    assert!(!two.lead().await.unwrap());
    assert!(database.end_leader().await);
    eventually("the other process leads", PATIENCE, async || {
        two.lead()
            .await
            .unwrap()
            .then_some(())
            .ok_or_else(|| "it does not".to_owned())
    })
    .await;
    assert!(!one.lead().await.unwrap());
    assert!(two.lead().await.unwrap());
}

#[tokio::test]
async fn a_leader_whose_session_was_killed_leads_again_when_it_is_the_only_one() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    assert!(store.lead().await.unwrap());
    assert!(database.end_leader().await);
    eventually("it leads again", PATIENCE, async || {
        store
            .lead()
            .await
            .unwrap()
            .then_some(())
            .ok_or_else(|| "it does not".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_leaves_no_lock_behind() {
    let database = PostgresDatabase::migrated().await;
    let (one, two) = (database.store().await, database.store().await);
    for patience in 0..40_u64 {
        let asked = tokio::time::timeout(Duration::from_micros(patience * 100), one.lead());
        let _ = asked.await;
    }
    drop(one);
    eventually("the other process leads", PATIENCE, async || {
        two.lead()
            .await
            .unwrap()
            .then_some(())
            .ok_or_else(|| "it does not".to_owned())
    })
    .await;
}
