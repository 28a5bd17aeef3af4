//! Several owners at the same time.

use std::collections::HashSet;

use futures_util::future::join_all;
use nova_actors::ports::ledger::PipelineLedger;
use nova_actors::{Error, Kind};

use super::{Place, batch, claim, range};

pub(super) async fn claims_at_the_same_time_differ<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let owners: Vec<String> = (0..10).map(|n| format!("owner {n}")).collect();
    let claims = join_all(owners.iter().map(|owner| claim(&*ledger, owner))).await;
    let epochs: HashSet<u64> = claims.iter().map(|claim| claim.epoch).collect();
    assert_eq!(epochs.len(), owners.len());
    let newest = *epochs.iter().max().unwrap();
    for epoch in epochs {
        let begun = ledger.begin(range(epoch, 0, 1)).await;
        assert_eq!(begun.is_ok(), epoch == newest, "{epoch}");
    }
}

pub(super) async fn of_equal_batches_at_the_same_time_one_lands<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    let batch = batch(epoch, 0, 4);
    let settled = join_all((0..5).map(|_| ledger.settle(&batch))).await;
    assert_eq!(settled.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in settled.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), &Kind::Fenced);
    }
}

/// Claims, and settles batches of one until someone else claims; answers which offsets it settled.
async fn work(ledger: &impl PipelineLedger, owner: &str) -> Vec<u64> {
    let mut settled = Vec::new();
    for _ in 0..20 {
        let claim = claim(ledger, owner).await;
        for first in claim.next_offset..claim.next_offset + 3 {
            match settle_one(ledger, claim.epoch, first).await {
                Ok(()) => settled.push(first),
                Err(error) if error.kind() == &Kind::Fenced => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    settled
}

async fn settle_one(ledger: &impl PipelineLedger, epoch: u64, first: u64) -> Result<(), Error> {
    ledger.begin(range(epoch, first, first + 1)).await?;
    ledger.settle(&batch(epoch, first, first + 1)).await
}

pub(super) async fn owners_that_race_settle_every_offset_once<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let (one, two) = tokio::join!(work(&*ledger, "one"), work(&*ledger, "two"));
    let mut settled = [one, two].concat();
    settled.sort_unstable();
    let end = claim(&*ledger, "three").await.next_offset;
    assert_eq!(settled, (0..end).collect::<Vec<u64>>());
    assert!(end >= 3, "{end}");
}
