//! The ledger of pipelines: who owns a partition, how far it came, and how every offset ended.

use async_trait::async_trait;
use nova_actors::domain::Timestamp;
use nova_actors::ports::analytics::{Batch, Claim};
use nova_actors::ports::ledger::{PipelineLedger, Range};
use nova_actors::{Error, Kind, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::failure::failure;
use super::rows::{number, optional_time};
use super::{PostgresStore, Statement};

const CLAIM: &str =
    "insert into pipeline_partitions as held (pipeline, topic, partition, epoch, owner, next_offset)
     values ($1, $2, $3, 1, $4, 0)
     on conflict (pipeline, topic, partition) do update set epoch = held.epoch + 1, owner = excluded.owner
     returning epoch, next_offset, pending_next";
/// An empty range leaves nothing open.
const BEGIN: &str = "update pipeline_partitions set pending_next = nullif($6, next_offset)
     where pipeline = $1 and topic = $2 and partition = $3 and epoch = $4 and next_offset = $5";
const STANDS: &str = "select epoch, next_offset from pipeline_partitions
     where pipeline = $1 and topic = $2 and partition = $3";
const WATERMARK: &str = "select min(watermark) as watermark from pipeline_partitions where pipeline = $1";

#[async_trait]
impl PipelineLedger for PostgresStore {
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, owner: &str) -> Result<Claim> {
        let claim = sqlx::query(CLAIM)
            .bind(pipeline.to_owned())
            .bind(topic.to_owned())
            .bind(i32::from(partition))
            .bind(owner.to_owned());
        claimed(&self.one(claim).await?).map_err(failure)
    }

    async fn begin(&self, range: Range<'_>) -> Result<()> {
        let next = offset(range.next)?;
        if range.next < range.first {
            return Err(Error::internal("a range ends before it starts"));
        }
        let begin = held(BEGIN, range)?.bind(next);
        if self.execute(begin).await? == 1 {
            return Ok(());
        }
        Err(fenced(self.optional(of_partition(STANDS, range)).await?, range))
    }

    async fn settle(&self, batch: &Batch) -> Result<()> {
        self.settle_batch(batch).await
    }

    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>> {
        let row = self.one(sqlx::query(WATERMARK).bind(pipeline.to_owned())).await?;
        optional_time(&row, "watermark").map_err(failure)
    }
}

fn claimed(row: &PgRow) -> sqlx::Result<Claim> {
    let pending: Option<i64> = row.try_get("pending_next")?;
    Ok(Claim {
        epoch: number(row, "epoch")?,
        next_offset: number(row, "next_offset")?,
        pending: pending.map(|_| number(row, "pending_next")).transpose()?,
    })
}

/// `sql` with the three columns that name a partition.
pub(super) fn of_partition(sql: &'static str, range: Range<'_>) -> Statement {
    sqlx::query(sql)
        .bind(range.pipeline.to_owned())
        .bind(range.topic.to_owned())
        .bind(i32::from(range.partition))
}

/// As [`of_partition`], with what its owner believes: epoch and first offset.
pub(super) fn held(sql: &'static str, range: Range<'_>) -> Result<Statement> {
    Ok(of_partition(sql, range)
        .bind(offset(range.epoch)?)
        .bind(offset(range.first)?))
}

/// Why the ledger did not take a range, by the row that it has now.
pub(super) fn fenced(row: Option<PgRow>, range: Range<'_>) -> Error {
    let Some(row) = row else {
        return Error::new(Kind::Fenced, "the partition has not been claimed");
    };
    let stands = number(&row, "epoch").and_then(|epoch| Ok((epoch, number(&row, "next_offset")?)));
    match stands {
        Err(error) => failure(error),
        Ok((epoch, _)) if epoch != range.epoch => Error::new(Kind::Fenced, "the partition has another owner"),
        Ok((_, next)) => Error::new(
            Kind::Fenced,
            format!("the ledger goes on from {next}, the batch from {}", range.first),
        ),
    }
}

/// Row of the partition as it stands.
pub(super) fn stands(range: Range<'_>) -> Statement {
    of_partition(STANDS, range)
}

/// A position as Postgres can hold it.
pub(super) fn offset(position: u64) -> Result<i64> {
    i64::try_from(position).map_err(|e| Error::internal("an offset is too large").with_source(e))
}
