//! One batch of one partition, from the log into the sink; and the figures around it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::metrics::histogram;
use tokio::time::Instant;

use super::actor::{CdcArgs, PIPELINE};
use super::envelope::{Decoded, decode};
use super::progress::Partition;
use crate::domain::change::CapturedTable;
use crate::domain::record::StoredRecord;
use crate::domain::{Timestamp, UserId};
use crate::error::Result;
use crate::ports::analytics::{Batch, Claim, DeadLetter, Outcomes};
use crate::ports::log::EventSource;
use crate::runtime::metrics;

/// One batch that the sink has.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) next: u64,
    pub(super) more: bool,
    pub(super) outcomes: Outcomes,
    pub(super) posts_by: Vec<UserId>,
    pub(super) watermark: Option<Timestamp>,
    pub(super) halt: Option<String>,
}

/// Records that are in the log and not yet consumed, over all partitions.
pub(super) async fn lag_of(log: Arc<dyn EventSource>, places: Vec<(&'static str, u16, u64)>) -> Result<u64> {
    let mut lag = 0;
    for table in CapturedTable::ALL {
        for bounds in log.bounds(table.topic()).await? {
            let place = places
                .iter()
                .find(|(topic, number, _)| (*topic, *number) == (table.topic(), bounds.partition));
            lag += bounds.end.saturating_sub(place.map_or(0, |(_, _, next)| *next));
        }
    }
    Ok(lag)
}

/// Takes over every partition of every captured table.
pub(super) async fn claim_all(args: CdcArgs) -> Result<Vec<(Partition, Claim)>> {
    let mut claims = Vec::new();
    for table in CapturedTable::ALL {
        for bounds in args.log.bounds(table.topic()).await? {
            let claim = args
                .sink
                .claim(PIPELINE, table.topic(), bounds.partition, &args.owner)
                .await?;
            claims.push(((table, bounds.partition), claim));
        }
    }
    Ok(claims)
}

/// Fetches, decodes and applies what follows `from`. When that is nothing and `mark` is set, the sink is told
/// that everything up to now is in the tables.
pub(super) async fn run_batch(
    args: &CdcArgs,
    (table, partition): Partition,
    (epoch, from): (u64, u64),
    mark: bool,
) -> Result<Applied> {
    let asked_at = args.clock.now();
    let records = args
        .log
        .fetch(table.topic(), partition, from, args.settings.batch)
        .await?;
    if records.is_empty() {
        if mark {
            let (mut batch, ..) = sort_out(table, partition, epoch, from, Vec::new());
            batch.watermark = asked_at;
            args.sink.apply(&batch).await?;
        }
        let outcomes = Outcomes::default();
        return Ok(Applied {
            next: from,
            more: false,
            outcomes,
            posts_by: Vec::new(),
            watermark: None,
            halt: None,
        });
    }
    let more = records.len() >= args.settings.batch as usize;
    let (batch, posts_by, halt) = sort_out(table, partition, epoch, from, records);
    let begun = Instant::now();
    if batch.next > batch.first {
        args.sink.apply(&batch).await?;
    }
    histogram!(metrics::PIPELINE_FLUSH_DURATION, "pipeline" => PIPELINE).record(begun.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 rows")]
    histogram!(metrics::PIPELINE_BATCH_ROWS, "pipeline" => PIPELINE).record(batch.rows.len() as f64);
    // Only for lag tools; the ledger has moved already.
    if let Err(error) = args
        .log
        .commit(PIPELINE, table.topic(), partition, batch.next)
        .await
    {
        tracing::debug!(%error, "the group's position could not be stored");
    }
    let (next, outcomes, watermark) = (batch.next, batch.outcomes, Some(batch.watermark));
    Ok(Applied {
        next,
        more,
        outcomes,
        posts_by,
        watermark,
        halt,
    })
}

/// Decides for each record how it ends. A halting record and everything after it stay for later.
fn sort_out(
    table: CapturedTable,
    partition: u16,
    epoch: u64,
    first: u64,
    records: Vec<StoredRecord>,
) -> (Batch, Vec<UserId>, Option<String>) {
    let mut batch = Batch {
        pipeline: PIPELINE,
        topic: table.topic().to_owned(),
        partition,
        epoch,
        first,
        next: first,
        outcomes: Outcomes::default(),
        rows: Vec::with_capacity(records.len()),
        dead: Vec::new(),
        watermark: Timestamp::default(),
    };
    let mut authors = BTreeSet::new();
    for record in records {
        match decode(table, &record) {
            Decoded::Row(row) => {
                if table == CapturedTable::Posts && !row.deleted {
                    authors.extend(
                        row.row["author_id"]
                            .as_str()
                            .and_then(|id| id.parse::<UserId>().ok()),
                    );
                }
                batch.rows.push(row);
                batch.outcomes.landed += 1;
            }
            Decoded::Ignored(_) => batch.outcomes.ignored += 1,
            Decoded::Dead(reason) => {
                tracing::warn!(
                    reason,
                    topic = table.topic(),
                    offset = record.position.offset,
                    "record put aside"
                );
                batch.outcomes.dead += 1;
                batch.dead.push(dead_letter(&record, reason));
            }
            Decoded::Halt(reason) => return (batch, authors.into_iter().collect(), Some(reason)),
        }
        batch.watermark = batch.watermark.max(record.record.at);
        batch.next = record.position.offset + 1;
    }
    (batch, authors.into_iter().collect(), None)
}

fn dead_letter(record: &StoredRecord, reason: String) -> DeadLetter {
    DeadLetter {
        offset: record.position.offset,
        key: record.record.key.to_vec(),
        value: record
            .record
            .value
            .as_ref()
            .map(|v| v.to_vec())
            .unwrap_or_default(),
        headers: serde_json::to_string(&record.record.headers).unwrap_or_default(),
        reason,
    }
}
