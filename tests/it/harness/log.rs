//! The event log of a Nova that was stopped.

use std::path::Path;

use nova::adapters::log::sqlite::SqliteLog;
use nova_actors::domain::record::StoredRecord;
use nova_actors::ports::log::EventSource as _;

/// Every record of a topic, partition by partition, from a data directory that nobody uses.
pub(crate) async fn topic(data: &Path, topic: &str) -> Vec<StoredRecord> {
    let log = SqliteLog::open(&data.join("log.db")).await.unwrap();
    let mut records: Vec<StoredRecord> = Vec::new();
    for bounds in log.bounds(topic).await.unwrap() {
        let mut from = bounds.earliest;
        while from < bounds.end {
            let batch = log.fetch(topic, bounds.partition, from, 1_000).await.unwrap();
            let last = batch.last().expect("records up to the end of the partition");
            from = last.position.offset + 1;
            records.extend(batch);
        }
    }
    log.close().await;
    records
}
