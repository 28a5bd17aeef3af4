//! The end of a batch: ledger, outcomes, dead letters and watermark in one transaction.

use nova_actors::Result;
use nova_actors::ports::analytics::Batch;
use nova_actors::ports::ledger::Range;

use super::PostgresStore;
use super::ledger::{fenced, held, of_partition, offset, stands};
use super::time::Time;
use super::write::Write;

/// Batches of one partition that the ledger remembers.
const BATCHES_KEPT: i64 = 1_000;

/// Takes the partition's row first, so that of equal batches at the same time one is settled. A range that is empty
/// leaves what is open as it is.
const SETTLE: &str = "update pipeline_partitions set next_offset = $6,
         pending_next = case when $6 = $5 then pending_next end,
         watermark = greatest(watermark, $7)
     where pipeline = $1 and topic = $2 and partition = $3 and epoch = $4 and next_offset = $5";
const RECORD: &str = "insert into pipeline_batches
     (pipeline, topic, partition, epoch, first_offset, next_offset, landed, duplicate, dead, ignored, watermark)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const FORGET: &str = "delete from pipeline_batches
     where pipeline = $1 and topic = $2 and partition = $3 and first_offset <= (
         select first_offset from pipeline_batches
         where pipeline = $1 and topic = $2 and partition = $3
         order by first_offset desc limit 1 offset $4)";
const BURY: &str = "insert into dead_letters
     (pipeline, topic, partition, record_offset, record_key, record_value, headers, reason, watermark)
     select $1, $2, $3, letter.*, $9
     from unnest($4::bigint[], $5::bytea[], $6::bytea[], $7::text[], $8::text[]) letter";

impl PostgresStore {
    pub(super) async fn settle_batch(&self, batch: &Batch) -> Result<()> {
        batch.adds_up()?;
        let range = Range::of(batch);
        let settle = held(SETTLE, range)?
            .bind(offset(batch.next)?)
            .bind(Time(batch.watermark));
        if batch.first == batch.next {
            if self.execute(settle).await? == 1 {
                return Ok(());
            }
            return Err(fenced(self.optional(stands(range)).await?, range));
        }
        let mut write = self.begin().await?;
        if write.execute(settle).await? == 0 {
            return Err(fenced(write.optional(stands(range)).await?, range));
        }
        record(&mut write, batch).await?;
        if !batch.dead.is_empty() {
            bury(&mut write, batch).await?;
        }
        write.commit().await
    }
}

/// Notes how the offsets ended, and forgets old notes.
async fn record(write: &mut Write<'_>, batch: &Batch) -> Result<()> {
    let (range, outcomes) = (Range::of(batch), batch.outcomes);
    let record = held(RECORD, range)?
        .bind(offset(batch.next)?)
        .bind(offset(outcomes.landed)?)
        .bind(offset(outcomes.duplicate)?)
        .bind(offset(outcomes.dead)?)
        .bind(offset(outcomes.ignored)?)
        .bind(Time(batch.watermark));
    write.execute(record).await?;
    let forget = of_partition(FORGET, range).bind(BATCHES_KEPT);
    write.execute(forget).await.map(drop)
}

/// Puts records aside that cannot be understood. A reason may quote what it is about; Postgres has no NUL in text.
async fn bury(write: &mut Write<'_>, batch: &Batch) -> Result<()> {
    let mut offsets = Vec::with_capacity(batch.dead.len());
    for letter in &batch.dead {
        offsets.push(offset(letter.offset)?);
    }
    let text = |text: &String| text.replace('\0', "\u{fffd}");
    let bury = of_partition(BURY, Range::of(batch))
        .bind(offsets)
        .bind(
            batch
                .dead
                .iter()
                .map(|letter| letter.key.clone())
                .collect::<Vec<_>>(),
        )
        .bind(
            batch
                .dead
                .iter()
                .map(|letter| letter.value.clone())
                .collect::<Vec<_>>(),
        )
        .bind(
            batch
                .dead
                .iter()
                .map(|letter| text(&letter.headers))
                .collect::<Vec<_>>(),
        )
        .bind(
            batch
                .dead
                .iter()
                .map(|letter| text(&letter.reason))
                .collect::<Vec<_>>(),
        )
        .bind(Time(batch.watermark));
    write.execute(bury).await.map(drop)
}
