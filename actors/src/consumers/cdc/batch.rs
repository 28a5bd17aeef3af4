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
use crate::error::{Kind, Result};
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
    pub(super) halt: Option<String>,
}

/// What is in the log and not yet consumed, over all partitions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lag {
    pub(super) records: u64,
    /// When the oldest of them was written.
    pub(super) oldest: Option<Timestamp>,
}

/// Looks how far the consumer is behind.
pub(super) async fn lag_of(log: Arc<dyn EventSource>, places: Vec<(&'static str, u16, u64)>) -> Result<Lag> {
    let mut lag = Lag::default();
    for table in CapturedTable::ALL {
        for bounds in log.bounds(table.topic()).await? {
            let place = places
                .iter()
                .find(|(topic, number, _)| (*topic, *number) == (table.topic(), bounds.partition));
            let next = place.map_or(0, |(_, _, next)| *next);
            let behind = bounds.end.saturating_sub(next);
            lag.records += behind;
            if behind > 0 {
                let first = log.fetch(table.topic(), bounds.partition, next, 1).await?;
                let at = first.first().map(|record| record.record.at);
                lag.oldest = lag.oldest.into_iter().chain(at).min();
            }
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
            let mut sorted = sort_out(table, partition, epoch, from, &[], None);
            sorted.batch.watermark = asked_at;
            args.sink.apply(&sorted.batch).await?;
        }
        let outcomes = Outcomes::default();
        return Ok(Applied {
            next: from,
            more: false,
            outcomes,
            posts_by: Vec::new(),
            halt: None,
        });
    }
    let begun = Instant::now();
    let sorted = apply(args, (table, partition), (epoch, from), &records).await?;
    let Sorted {
        batch,
        posts_by,
        halt,
    } = sorted;
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
    Ok(Applied {
        next: batch.next,
        // A fetch may end early, by its bytes: only an empty one is the end.
        more: true,
        outcomes: batch.outcomes,
        posts_by,
        halt,
    })
}

/// Applies as many of `records` as the sink takes at once. One that is refused for good is found by halving and
/// put aside.
async fn apply(
    args: &CdcArgs,
    (table, partition): Partition,
    (epoch, from): (u64, u64),
    records: &[StoredRecord],
) -> Result<Sorted> {
    let mut count = records.len();
    let mut refusal: Option<String> = None;
    loop {
        let some = records.get(..count).unwrap_or(records);
        let sorted = sort_out(table, partition, epoch, from, some, refusal.as_deref());
        if sorted.batch.next == sorted.batch.first {
            return Ok(sorted);
        }
        match args.sink.apply(&sorted.batch).await {
            Ok(()) => return Ok(sorted),
            Err(error) => match error.kind() {
                Kind::Validation(_) if count > 1 => count /= 2,
                Kind::Validation(fields) if refusal.is_none() => {
                    let text = |f: &crate::error::FieldError| format!("{}: {}", f.field, f.expected);
                    refusal = Some(fields.iter().map(text).collect::<Vec<_>>().join(", "));
                }
                _ => return Err(error),
            },
        }
    }
}

/// A batch, the authors of the posts in it, and why its partition halts after it.
struct Sorted {
    batch: Batch,
    posts_by: Vec<UserId>,
    halt: Option<String>,
}

/// Decides for each record how it ends; rows are dead when they were refused. A halting record and everything after it stay for later.
fn sort_out(
    table: CapturedTable,
    partition: u16,
    epoch: u64,
    first: u64,
    records: &[StoredRecord],
    refusal: Option<&str>,
) -> Sorted {
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
    let (mut authors, mut halt) = (BTreeSet::new(), None);
    for record in records {
        let decoded = match (decode(table, record), refusal) {
            (Decoded::Row(_), Some(why)) => Decoded::Dead(why.to_owned()),
            (decoded, _) => decoded,
        };
        match decoded {
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
                batch.dead.push(dead_letter(record, reason));
            }
            Decoded::Halt(reason) => {
                halt = Some(reason);
                break;
            }
        }
        batch.watermark = batch.watermark.max(record.record.at);
        batch.next = record.position.offset + 1;
    }
    Sorted {
        batch,
        posts_by: authors.into_iter().collect(),
        halt,
    }
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
