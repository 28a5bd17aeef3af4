//! Claims, open ranges and what moves the ledger.

use nova_actors::Kind;
use nova_actors::ports::analytics::Outcomes;
use nova_actors::ports::ledger::PipelineLedger;

use super::{PIPELINE, Place, TOPIC, at, batch, claim, kind, letter, range};

pub(super) async fn a_claim_goes_on_where_the_last_batch_ended<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let first = claim(&*ledger, "one").await;
    assert_eq!((first.next_offset, first.pending), (0, None));
    ledger.begin(range(first.epoch, 0, 7)).await.unwrap();
    ledger.settle(&batch(first.epoch, 0, 7)).await.unwrap();
    let second = claim(&*ledger, "another").await;
    assert_eq!((second.next_offset, second.pending), (7, None));
    assert!(second.epoch > first.epoch);
    let third = claim(&*ledger, "another").await;
    assert!(
        third.epoch > second.epoch,
        "an owner that starts anew fences itself"
    );
}

pub(super) async fn an_older_owner_is_fenced<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let older = claim(&*ledger, "older").await.epoch;
    ledger.begin(range(older, 0, 3)).await.unwrap();
    let newer = claim(&*ledger, "newer").await.epoch;
    assert_eq!(kind(ledger.begin(range(older, 0, 9)).await), Kind::Fenced);
    assert_eq!(kind(ledger.settle(&batch(older, 0, 3)).await), Kind::Fenced);
    assert_eq!(kind(ledger.settle(&batch(older, 0, 0)).await), Kind::Fenced);
    let never = newer + 1;
    assert_eq!(kind(ledger.begin(range(never, 0, 3)).await), Kind::Fenced);
    assert_eq!(kind(ledger.settle(&batch(never, 0, 3)).await), Kind::Fenced);

    let later = claim(&*ledger, "later").await;
    assert_eq!(
        (later.next_offset, later.pending),
        (0, Some(3)),
        "nothing of it was written"
    );
    assert_eq!(ledger.watermark(PIPELINE).await.unwrap(), None);
}

pub(super) async fn a_partition_nobody_claimed_is_fenced<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    assert_eq!(kind(ledger.begin(range(1, 0, 3)).await), Kind::Fenced);
    assert_eq!(kind(ledger.settle(&batch(1, 0, 3)).await), Kind::Fenced);
    assert_eq!(kind(ledger.settle(&batch(1, 0, 0)).await), Kind::Fenced);
}

pub(super) async fn a_range_with_a_hole_or_an_overlap_is_fenced<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    ledger.settle(&batch(epoch, 0, 5)).await.unwrap();
    for first in [0, 4, 6, 100] {
        let begun = ledger.begin(range(epoch, first, first + 3)).await;
        assert_eq!(kind(begun), Kind::Fenced, "from {first}");
        let settled = ledger.settle(&batch(epoch, first, first + 3)).await;
        assert_eq!(kind(settled), Kind::Fenced, "from {first}");
    }
    ledger.begin(range(epoch, 5, 8)).await.unwrap();
    ledger.settle(&batch(epoch, 5, 8)).await.unwrap();
}

pub(super) async fn an_open_range_is_told_to_the_next_owner<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    ledger.settle(&batch(epoch, 0, 5)).await.unwrap();
    ledger.begin(range(epoch, 5, 9)).await.unwrap();
    for owner in ["two", "three"] {
        let claim = claim(&*ledger, owner).await;
        assert_eq!((claim.next_offset, claim.pending), (5, Some(9)), "{owner}");
    }
}

pub(super) async fn the_owner_replaces_its_open_range<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    for next in [9, 4, 6] {
        ledger.begin(range(epoch, 0, next)).await.unwrap();
    }
    let next = claim(&*ledger, "two").await;
    assert_eq!(next.pending, Some(6));
    ledger.begin(range(next.epoch, 0, 6)).await.unwrap();
    ledger.settle(&batch(next.epoch, 0, 6)).await.unwrap();
    assert_eq!(claim(&*ledger, "three").await.next_offset, 6);
}

pub(super) async fn settling_closes_the_open_range<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    ledger.begin(range(epoch, 0, 9)).await.unwrap();
    ledger.settle(&batch(epoch, 0, 9)).await.unwrap();
    assert_eq!(kind(ledger.settle(&batch(epoch, 0, 9)).await), Kind::Fenced);
    let next = claim(&*ledger, "two").await;
    assert_eq!((next.next_offset, next.pending), (9, None));
}

pub(super) async fn outcomes_that_do_not_add_up_are_refused<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    let good = batch(epoch, 0, 4);
    let mut wrong = vec![good.clone(), good.clone(), good.clone(), good.clone()];
    wrong[0].outcomes.ignored = 1;
    wrong[1].outcomes.landed = u64::MAX;
    wrong[1].outcomes.ignored = 5;
    wrong[2].outcomes = Outcomes {
        landed: 3,
        dead: 1,
        ..Outcomes::default()
    };
    (wrong[3].first, wrong[3].next) = (4, 0);
    for batch in wrong {
        assert_eq!(kind(ledger.settle(&batch).await), Kind::Internal, "{batch:?}");
    }
    ledger.settle(&good).await.unwrap();
}

pub(super) async fn dead_letters_move_the_ledger<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    let mut mixed = batch(epoch, 0, 6);
    mixed.outcomes = Outcomes {
        landed: 1,
        duplicate: 2,
        dead: 2,
        ignored: 1,
    };
    mixed.dead = vec![letter(0), letter(6)];
    assert_eq!(
        kind(ledger.settle(&mixed).await),
        Kind::Internal,
        "6 is not of the range"
    );
    mixed.dead = vec![letter(0), letter(5)];
    ledger.settle(&mixed).await.unwrap();
    assert_eq!(claim(&*ledger, "two").await.next_offset, 6);
}

pub(super) async fn partitions_and_pipelines_are_apart<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    ledger.settle(&batch(epoch, 0, 5)).await.unwrap();
    ledger.begin(range(epoch, 5, 6)).await.unwrap();
    for (pipeline, topic, partition) in [
        (PIPELINE, TOPIC, u16::MAX),
        (PIPELINE, "cdc.other", 0),
        ("events", TOPIC, 0),
    ] {
        let claim = ledger.claim(pipeline, topic, partition, "one").await.unwrap();
        let place = (claim.next_offset, claim.pending);
        assert_eq!(place, (0, None), "{pipeline} {topic} {partition}");
    }
    ledger.settle(&batch(epoch, 5, 6)).await.unwrap();
}

pub(super) async fn an_offset_beyond_all_counting_is_refused<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    let beyond = batch(epoch, 0, u64::MAX);
    assert_eq!(kind(ledger.settle(&beyond).await), Kind::Internal);
    assert_eq!(claim(&*ledger, "two").await.next_offset, 0);
}

pub(super) async fn the_ledger_outlives_its_process<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let first = claim(&*ledger, "one").await;
    let mut settled = batch(first.epoch, 0, 2);
    settled.watermark = at(9);
    ledger.settle(&settled).await.unwrap();
    ledger.begin(range(first.epoch, 2, 4)).await.unwrap();
    drop(ledger);
    let ledger = place.ledger().await;
    let next = claim(&*ledger, "one").await;
    assert_eq!((next.next_offset, next.pending), (2, Some(4)));
    assert!(next.epoch > first.epoch);
    assert_eq!(ledger.watermark(PIPELINE).await.unwrap(), Some(at(9)));
}
