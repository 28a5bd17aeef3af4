//! The writing side: rows and ledger in one transaction.

use async_trait::async_trait;
use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::analytics::{AnalyticsSink, Batch, Claim};
use nova_actors::{Error, Kind, Result};
use sqlx::{Sqlite, Transaction};

use super::{SqliteAnalytics, rows};

/// Batches of one partition that the ledger remembers.
const BATCHES_KEPT: i64 = 1_000;

#[async_trait]
impl AnalyticsSink for SqliteAnalytics {
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, owner: &str) -> Result<Claim> {
        let mut tx = self.db.begin().await?;
        let (epoch, next): (i64, i64) = sqlx::query_as(
            "insert into pipeline_partitions (pipeline, topic, partition, epoch, owner, next_offset)
             values (?1, ?2, ?3, 1, ?4, 0)
             on conflict (pipeline, topic, partition) do update set epoch = epoch + 1, owner = excluded.owner
             returning epoch, next_offset",
        )
        .bind(pipeline)
        .bind(topic)
        .bind(partition)
        .bind(owner)
        .fetch_one(&mut *tx)
        .await
        .map_err(|e| self.db.failure(e))?;
        tx.commit().await.map_err(|e| self.db.failure(e))?;
        Ok(Claim {
            pending: None,
            epoch: unsigned(epoch)?,
            next_offset: unsigned(next)?,
        })
    }

    async fn apply(&self, batch: &Batch) -> Result<()> {
        batch.adds_up()?;
        // All rows are read before the write lock is taken.
        let mut merges = Vec::new();
        for table in CapturedTable::ALL {
            if let Some(list) = rows::of_table(table, &batch.rows)? {
                merges.push((rows::merge(table), list));
            }
        }
        let mut tx = self.db.begin().await?;
        self.admitted(&mut tx, batch).await?;
        self.write(&mut tx, batch, merges)
            .await
            .map_err(|e| self.db.failure(e))?;
        tx.commit().await.map_err(|e| self.db.failure(e))
    }
}

impl SqliteAnalytics {
    /// Whether the batch comes from the owner and starts where the ledger stands.
    async fn admitted(&self, tx: &mut Transaction<'static, Sqlite>, batch: &Batch) -> Result<()> {
        let ledger: Option<(i64, i64)> = sqlx::query_as(
            "select epoch, next_offset from pipeline_partitions
             where pipeline = ?1 and topic = ?2 and partition = ?3",
        )
        .bind(batch.pipeline)
        .bind(&batch.topic)
        .bind(batch.partition)
        .fetch_optional(&mut **tx)
        .await
        .map_err(|e| self.db.failure(e))?;
        let Some((epoch, next)) = ledger else {
            return Err(Error::new(Kind::Fenced, "the partition has not been claimed"));
        };
        if unsigned(epoch)? != batch.epoch {
            return Err(Error::new(Kind::Fenced, "the partition has another owner"));
        }
        if unsigned(next)? != batch.first {
            return Err(Error::new(
                Kind::Fenced,
                format!("the ledger goes on from {next}, the batch from {}", batch.first),
            ));
        }
        Ok(())
    }

    async fn write(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        batch: &Batch,
        merges: Vec<(&'static str, String)>,
    ) -> sqlx::Result<()> {
        for (statement, rows) in merges {
            sqlx::query(statement).bind(rows).execute(&mut **tx).await?;
        }
        bury(tx, batch).await?;
        if batch.first < batch.next {
            record(tx, batch).await?;
        }
        sqlx::query(
            "update pipeline_partitions
             set next_offset = ?4, watermark = max(coalesce(watermark, ?5), ?5)
             where pipeline = ?1 and topic = ?2 and partition = ?3",
        )
        .bind(batch.pipeline)
        .bind(&batch.topic)
        .bind(batch.partition)
        .bind(batch.next.cast_signed())
        .bind(batch.watermark.millis())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// Puts records aside that cannot be understood.
async fn bury(tx: &mut Transaction<'static, Sqlite>, batch: &Batch) -> sqlx::Result<()> {
    for letter in &batch.dead {
        sqlx::query(
            "insert into dead_letters
             (pipeline, topic, partition, record_offset, record_key, record_value, headers, reason, watermark)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .bind(batch.pipeline)
        .bind(&batch.topic)
        .bind(batch.partition)
        .bind(letter.offset.cast_signed())
        .bind(&letter.key)
        .bind(&letter.value)
        .bind(&letter.headers)
        .bind(&letter.reason)
        .bind(batch.watermark.millis())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Notes how the offsets ended, and forgets old notes.
async fn record(tx: &mut Transaction<'static, Sqlite>, batch: &Batch) -> sqlx::Result<()> {
    let outcomes = batch.outcomes;
    sqlx::query(
        "insert into pipeline_batches
         (pipeline, topic, partition, first_offset, next_offset, epoch,
          landed, duplicate, dead, ignored, watermark)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )
    .bind(batch.pipeline)
    .bind(&batch.topic)
    .bind(batch.partition)
    .bind(batch.first.cast_signed())
    .bind(batch.next.cast_signed())
    .bind(batch.epoch.cast_signed())
    .bind(outcomes.landed.cast_signed())
    .bind(outcomes.duplicate.cast_signed())
    .bind(outcomes.dead.cast_signed())
    .bind(outcomes.ignored.cast_signed())
    .bind(batch.watermark.millis())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "delete from pipeline_batches
         where pipeline = ?1 and topic = ?2 and partition = ?3 and first_offset <= (
             select first_offset from pipeline_batches
             where pipeline = ?1 and topic = ?2 and partition = ?3
             order by first_offset desc limit 1 offset ?4)",
    )
    .bind(batch.pipeline)
    .bind(&batch.topic)
    .bind(batch.partition)
    .bind(BATCHES_KEPT)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|e| Error::internal("the ledger has a negative number").with_source(e))
}
