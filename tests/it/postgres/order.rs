//! The change log of each key follows its commits, whoever writes at the same time.

use std::collections::HashMap;

use futures_util::future::join_all;
use nova_actors::domain::WriteContext;
use nova_actors::domain::change::{CapturedTable, Change};
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore};
use serde_json::Value;

use super::{PostgresDatabase, at, post, user};

const WRITERS: usize = 6;
const ROUNDS: i64 = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_starts_where_the_last_one_of_its_key_ended() {
    let database = PostgresDatabase::migrated().await;
    // Two processes, as far as the database can tell.
    let stores = [database.store().await, database.store().await];
    let (ana, bo) = (
        user(&stores[0], "ana").await.unwrap().id,
        user(&stores[0], "bob").await.unwrap().id,
    );
    let plain = WriteContext::untracked();
    let post = post(&stores[0], ana, &plain).await.unwrap().id;
    let writers = (0..WRITERS).map(|writer| {
        let (store, plain) = (&stores[writer % 2], &plain);
        let reader = [ana, bo][writer % 3 % 2];
        async move {
            let mut changed = 0;
            for round in 0..ROUNDS {
                let set = (writer + usize::try_from(round).unwrap()).is_multiple_of(2);
                let like = store.set_like(reader, post, set, plain, at(round));
                changed += u64::from(like.await.unwrap());
                let follow = store.set_follow(bo, ana, set, plain, at(round));
                changed += u64::from(follow.await.unwrap());
            }
            changed
        }
    });
    let changed: u64 = join_all(writers).await.into_iter().sum();
    let changes = stores[0].changes(10_000).await.unwrap();

    let mut rows: HashMap<(CapturedTable, String), Option<Value>> = HashMap::new();
    for change in &changes {
        let row = rows.entry((change.table, change.key.to_string())).or_default();
        assert_eq!(*row, change.before, "{change:?}");
        row.clone_from(&change.after);
    }
    let of = |table| {
        changes
            .iter()
            .filter(move |change: &&Change| change.table == table)
            .count() as u64
    };
    assert_eq!(of(CapturedTable::Likes) + of(CapturedTable::Follows), changed);
    assert_eq!(of(CapturedTable::PostCounters), of(CapturedTable::Likes) + 1);
    assert!(of(CapturedTable::Likes) > 2, "nobody met anybody");

    let mut likes = 0;
    for reader in [ana, bo] {
        likes += stores[1].liked(reader, &[post]).await.unwrap().len();
    }
    let counted = stores[1].posts(&[post]).await.unwrap()[&post].likes;
    assert_eq!(counted, likes as u64);
}
