//! How far the input of a pipeline is.

use nova_actors::domain::Timestamp;
use nova_actors::ports::analytics::Batch;
use nova_actors::ports::ledger::PipelineLedger;

use super::{PIPELINE, Place, TOPIC, at, batch, claim, range};

fn marked(watermark: Timestamp, batch: Batch) -> Batch {
    Batch { watermark, ..batch }
}

pub(super) async fn the_watermark_is_the_earliest_of_the_partitions<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    assert_eq!(ledger.watermark(PIPELINE).await.unwrap(), None);
    let zero = claim(&*ledger, "one").await.epoch;
    ledger.settle(&marked(at(50), batch(zero, 0, 1))).await.unwrap();
    let one = ledger.claim(PIPELINE, TOPIC, 1, "one").await.unwrap().epoch;
    let without = ledger.watermark(PIPELINE).await.unwrap();
    assert_eq!(
        without,
        Some(at(50)),
        "a partition without a batch does not count"
    );
    for (first, mark, earliest) in [(0, 20, 20), (1, 90, 50)] {
        let batch = Batch {
            partition: 1,
            ..marked(at(mark), batch(one, first, first + 1))
        };
        ledger.settle(&batch).await.unwrap();
        assert_eq!(ledger.watermark(PIPELINE).await.unwrap(), Some(at(earliest)));
    }
    assert_eq!(ledger.watermark("events").await.unwrap(), None);
}

pub(super) async fn the_watermark_never_goes_back<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    for (first, mark) in [(0, 30), (1, 10)] {
        let batch = marked(at(mark), batch(epoch, first, first + 1));
        ledger.settle(&batch).await.unwrap();
    }
    ledger.settle(&marked(at(5), batch(epoch, 2, 2))).await.unwrap();
    assert_eq!(ledger.watermark(PIPELINE).await.unwrap(), Some(at(30)));
}

pub(super) async fn an_empty_range_moves_the_watermark_alone<P: Place>() {
    let place = P::fresh().await;
    let ledger = place.ledger().await;
    let epoch = claim(&*ledger, "one").await.epoch;
    ledger.settle(&marked(at(10), batch(epoch, 0, 2))).await.unwrap();
    ledger.begin(range(epoch, 2, 4)).await.unwrap();
    for mark in [30, 40] {
        ledger
            .settle(&marked(at(mark), batch(epoch, 2, 2)))
            .await
            .unwrap();
        assert_eq!(ledger.watermark(PIPELINE).await.unwrap(), Some(at(mark)));
    }
    let next = claim(&*ledger, "two").await;
    assert_eq!(
        (next.next_offset, next.pending),
        (2, Some(4)),
        "what is open stays open"
    );
}
