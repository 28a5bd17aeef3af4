//! The writing side: the ledger remembers the range, then the rows are written under tokens made of it, then the
//! ledger moves.

use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::ports::analytics::{AnalyticsSink, Batch, Claim};
use nova_actors::ports::ledger::Range;

use super::ClickHouseAnalytics;
use super::rows::Inserts;
use super::server::Place;

/// The table is partitioned and its inserts are split accordingly.
const ONE: &str = "1";
/// The table is not partitioned, but a view of it may be.
const ANY: &str = "0";

#[async_trait]
impl AnalyticsSink for ClickHouseAnalytics {
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, owner: &str) -> Result<Claim> {
        self.ledger.claim(pipeline, topic, partition, owner).await
    }

    async fn apply(&self, batch: &Batch) -> Result<()> {
        batch.adds_up()?;
        let inserts = Inserts::of(&batch.rows)?;
        if !batch.rows.is_empty() {
            self.ledger.begin(Range::of(batch)).await?;
            self.write(inserts, &token(batch)).await?;
        }
        self.ledger.settle(batch).await
    }
}

impl ClickHouseAnalytics {
    async fn write(&self, inserts: Inserts, token: &str) -> Result<()> {
        for (month, rows) in &inserts.posts {
            let token = format!("{token}/{month}");
            let place = place("posts_cdc", &token, ONE);
            self.server.insert(place, rows).await?;
        }
        if !inserts.follows.is_empty() {
            let place = place("follows_cdc", token, ANY);
            self.server.insert(place, &inserts.follows).await?;
        }
        if !inserts.likes.is_empty() {
            let place = place("likes_cdc", token, ANY);
            self.server.insert(place, &inserts.likes).await?;
        }
        if !inserts.comments.is_empty() {
            let place = place("comments_cdc", token, ANY);
            self.server.insert(place, &inserts.comments).await?;
        }
        if !inserts.counters.is_empty() {
            let place = place("post_counters_cdc", token, ANY);
            self.server.insert(place, &inserts.counters).await?;
        }
        Ok(())
    }
}

const fn place<'a>(table: &'static str, token: &'a str, partitions: &'static str) -> Place<'a> {
    Place {
        table,
        token,
        partitions,
    }
}

/// Names the rows of the batch's range: the same range gives the same token, whoever writes it.
fn token(batch: &Batch) -> String {
    format!(
        "{}/{}/{}/{}-{}",
        batch.pipeline, batch.topic, batch.partition, batch.first, batch.next
    )
}
