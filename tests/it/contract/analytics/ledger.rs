//! The ledger: who may write, from where on, and how far the input is.

use nova_actors::Kind;
use nova_actors::domain::UserId;
use nova_actors::domain::change::CapturedTable::Follows;
use nova_actors::ports::analytics::{AnalyticsSink, Batch, FeedSource, Outcomes};

use super::{Backend, PIPELINE, TOPIC, World, at, dead_letter, follow_row, kind, state};

/// A batch whose `count` offsets have nothing to do with the pipeline.
fn ignored<B: Backend>(world: &World<B>, partition: u16, first: u64, count: u64, watermark: i64) -> Batch {
    Batch {
        partition,
        first,
        next: first + count,
        outcomes: Outcomes {
            ignored: count,
            ..Outcomes::default()
        },
        watermark: at(watermark),
        ..world.batch(Vec::new())
    }
}

pub(crate) async fn a_claim_goes_on_where_the_last_batch_ended<B: Backend>() {
    let world = World::<B>::new().await;
    assert_eq!(world.claim.next_offset, 0);
    world.analytics.apply(&ignored(&world, 0, 0, 7, 0)).await.unwrap();
    let claim = world
        .analytics
        .claim(PIPELINE, TOPIC, 0, "another")
        .await
        .unwrap();
    assert_eq!(claim.next_offset, 7);
    assert!(claim.epoch > world.claim.epoch);
}

pub(crate) async fn an_older_owner_is_fenced<B: Backend>() {
    let world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    let newer = world
        .analytics
        .claim(PIPELINE, TOPIC, 0, "another")
        .await
        .unwrap();
    let mut batch = world.batch(vec![state(Follows, 1, false, follow_row(reader, author))]);
    assert_eq!(kind(world.analytics.apply(&batch).await), Kind::Fenced);
    batch.epoch = newer.epoch;
    world.analytics.apply(&batch).await.unwrap();
    batch.epoch = newer.epoch + 1;
    batch.first += 1;
    batch.next += 1;
    assert_eq!(kind(world.analytics.apply(&batch).await), Kind::Fenced);
}

pub(crate) async fn a_partition_nobody_claimed_is_fenced<B: Backend>() {
    let world = World::<B>::new().await;
    let batch = ignored(&world, 9, 0, 1, 0);
    assert_eq!(kind(world.analytics.apply(&batch).await), Kind::Fenced);
}

pub(crate) async fn a_range_with_a_hole_or_an_overlap_is_fenced<B: Backend>() {
    let world = World::<B>::new().await;
    world.analytics.apply(&ignored(&world, 0, 0, 5, 0)).await.unwrap();
    for first in [0, 4, 6, 100] {
        let outcome = world.analytics.apply(&ignored(&world, 0, first, 3, 0)).await;
        assert_eq!(kind(outcome), Kind::Fenced, "from {first}");
    }
    world.analytics.apply(&ignored(&world, 0, 5, 3, 0)).await.unwrap();
}

pub(crate) async fn of_equal_batches_at_the_same_time_one_lands<B: Backend>() {
    let world = World::<B>::new().await;
    let batch = ignored(&world, 0, 0, 4, 0);
    let (a, b, c) = tokio::join!(
        world.analytics.apply(&batch),
        world.analytics.apply(&batch),
        world.analytics.apply(&batch)
    );
    let outcomes = [a, b, c];
    let landed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(landed, 1);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), &Kind::Fenced);
    }
}

pub(crate) async fn partitions_and_pipelines_are_apart<B: Backend>() {
    let world = World::<B>::new().await;
    world.analytics.apply(&ignored(&world, 0, 0, 5, 0)).await.unwrap();
    for (pipeline, topic, partition) in [
        (PIPELINE, TOPIC, 1),
        (PIPELINE, "cdc.other", 0),
        ("events", TOPIC, 0),
    ] {
        let claim = world.analytics.claim(pipeline, topic, partition, "a test").await;
        assert_eq!(claim.unwrap().next_offset, 0, "{pipeline} {topic} {partition}");
    }
    world.analytics.apply(&ignored(&world, 0, 5, 1, 0)).await.unwrap();
}

pub(crate) async fn outcomes_that_do_not_add_up_are_refused<B: Backend>() {
    let world = World::<B>::new().await;
    let good = ignored(&world, 0, 0, 3, 0);
    let mut wrong = vec![good.clone(), good.clone(), good.clone(), good.clone()];
    wrong[0].outcomes.landed = 1;
    wrong[1].outcomes.ignored = u64::MAX;
    wrong[1].outcomes.landed = 4;
    wrong[2].outcomes = Outcomes {
        ignored: 2,
        dead: 1,
        ..Outcomes::default()
    };
    (wrong[3].first, wrong[3].next) = (3, 0);
    for batch in wrong {
        assert_eq!(
            kind(world.analytics.apply(&batch).await),
            Kind::Internal,
            "{batch:?}"
        );
    }
    world.analytics.apply(&good).await.unwrap();
}

pub(crate) async fn dead_letters_move_the_ledger<B: Backend>() {
    let world = World::<B>::new().await;
    let mut batch = ignored(&world, 0, 0, 3, 0);
    batch.outcomes = Outcomes {
        ignored: 1,
        dead: 2,
        ..Outcomes::default()
    };
    batch.dead = vec![dead_letter(0), dead_letter(3)];
    assert_eq!(
        kind(world.analytics.apply(&batch).await),
        Kind::Internal,
        "3 is not of the range"
    );
    batch.dead = vec![dead_letter(0), dead_letter(2)];
    world.analytics.apply(&batch).await.unwrap();
    let claim = world
        .analytics
        .claim(PIPELINE, TOPIC, 0, "another")
        .await
        .unwrap();
    assert_eq!(claim.next_offset, 3);
}

pub(crate) async fn the_ledger_survives_a_restart<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    world.follow(reader, author).await;
    let post = world.post(author, 0).await;
    B::close(&world.analytics).await;
    let again = world.place.open().await;
    let claim = again.claim(PIPELINE, TOPIC, 0, "another").await.unwrap();
    assert_eq!(claim.next_offset, 2);
    assert!(claim.epoch > world.claim.epoch);
    let found = again.followees(reader, super::LONG_AGO, 9, 9).await.unwrap();
    assert_eq!(found, [post]);
    assert_eq!(again.watermark(PIPELINE).await.unwrap(), Some(at(0)));
}

pub(crate) async fn the_watermark_is_the_earliest_of_the_partitions<B: Backend>() {
    let world = World::<B>::new().await;
    assert_eq!(world.analytics.watermark(PIPELINE).await.unwrap(), None);
    world
        .analytics
        .apply(&ignored(&world, 0, 0, 1, 50))
        .await
        .unwrap();
    world.analytics.claim(PIPELINE, TOPIC, 1, "a test").await.unwrap();
    let watermark = world.analytics.watermark(PIPELINE).await.unwrap();
    assert_eq!(
        watermark,
        Some(at(50)),
        "a partition without a batch does not count"
    );
    world
        .analytics
        .apply(&ignored(&world, 1, 0, 1, 20))
        .await
        .unwrap();
    assert_eq!(world.analytics.watermark(PIPELINE).await.unwrap(), Some(at(20)));
    world
        .analytics
        .apply(&ignored(&world, 1, 1, 1, 90))
        .await
        .unwrap();
    assert_eq!(world.analytics.watermark(PIPELINE).await.unwrap(), Some(at(50)));
    assert_eq!(world.analytics.watermark("events").await.unwrap(), None);
}

pub(crate) async fn an_empty_range_moves_the_watermark_alone<B: Backend>() {
    let world = World::<B>::new().await;
    world
        .analytics
        .apply(&ignored(&world, 0, 0, 2, 10))
        .await
        .unwrap();
    for watermark in [30, 40] {
        world
            .analytics
            .apply(&ignored(&world, 0, 2, 0, watermark))
            .await
            .unwrap();
        assert_eq!(
            world.analytics.watermark(PIPELINE).await.unwrap(),
            Some(at(watermark))
        );
    }
    world
        .analytics
        .apply(&ignored(&world, 0, 2, 1, 50))
        .await
        .unwrap();
}

pub(crate) async fn the_watermark_never_goes_back<B: Backend>() {
    let world = World::<B>::new().await;
    world
        .analytics
        .apply(&ignored(&world, 0, 0, 1, 30))
        .await
        .unwrap();
    world
        .analytics
        .apply(&ignored(&world, 0, 1, 1, 10))
        .await
        .unwrap();
    assert_eq!(world.analytics.watermark(PIPELINE).await.unwrap(), Some(at(30)));
}
