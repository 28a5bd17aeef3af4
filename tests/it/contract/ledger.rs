//! The contract of the pipelines' ledger: claims and epochs, open ranges, outcomes, watermarks.

mod races;
mod ranges;
mod watermarks;

use std::sync::Arc;

use nova::adapters::store::postgres::PostgresStore;
use nova_actors::domain::Timestamp;
use nova_actors::ports::analytics::{Batch, Claim, DeadLetter, Outcomes};
use nova_actors::ports::ledger::{PipelineLedger, Range};
use nova_actors::testing::MemoryLedger;
use nova_actors::{Error, Kind};

use crate::postgres::PostgresDatabase;

const PIPELINE: &str = "cdc";
const TOPIC: &str = "cdc.posts";

/// A ledger without entries, for as long as the place lives.
pub(crate) trait Place {
    type Ledger: PipelineLedger + 'static;

    async fn fresh() -> Self;
    async fn ledger(&self) -> Arc<Self::Ledger>;
}

pub(crate) struct InMemory(Arc<MemoryLedger>);

impl Place for InMemory {
    type Ledger = MemoryLedger;

    async fn fresh() -> Self {
        Self(Arc::default())
    }

    async fn ledger(&self) -> Arc<MemoryLedger> {
        Arc::clone(&self.0)
    }
}

impl Place for PostgresDatabase {
    type Ledger = PostgresStore;

    async fn fresh() -> Self {
        Self::migrated().await
    }

    async fn ledger(&self) -> Arc<PostgresStore> {
        Arc::new(self.store().await)
    }
}

macro_rules! ledger_contract {
    ($adapter:ident, $place:ty) => {
        ledger_contract! { @ $adapter, $place;
            ranges: a_claim_goes_on_where_the_last_batch_ended, an_older_owner_is_fenced,
                a_partition_nobody_claimed_is_fenced, a_range_with_a_hole_or_an_overlap_is_fenced,
                an_open_range_is_told_to_the_next_owner, the_owner_replaces_its_open_range,
                settling_closes_the_open_range, outcomes_that_do_not_add_up_are_refused,
                dead_letters_move_the_ledger, partitions_and_pipelines_are_apart,
                an_offset_beyond_all_counting_is_refused, the_ledger_outlives_its_process;
            watermarks: the_watermark_is_the_earliest_of_the_partitions, the_watermark_never_goes_back,
                an_empty_range_moves_the_watermark_alone;
            races: claims_at_the_same_time_differ, of_equal_batches_at_the_same_time_one_lands,
                owners_that_race_settle_every_offset_once;
        }
    };
    (@ $adapter:ident, $place:ty; $($group:ident: $($case:ident),+;)+) => {
        mod $adapter {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::contract::ledger::$group::$case::<$place>().await;
                })+
            })+
        }
    };
}

ledger_contract!(memory, crate::contract::ledger::InMemory);
ledger_contract!(postgres, crate::postgres::PostgresDatabase);

const fn at(offset: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + offset)
}

fn range(epoch: u64, first: u64, next: u64) -> Range<'static> {
    Range {
        pipeline: PIPELINE,
        topic: TOPIC,
        partition: 0,
        epoch,
        first,
        next,
    }
}

/// A batch whose offsets have all landed.
fn batch(epoch: u64, first: u64, next: u64) -> Batch {
    Batch {
        pipeline: PIPELINE,
        topic: TOPIC.to_owned(),
        partition: 0,
        epoch,
        first,
        next,
        outcomes: Outcomes {
            landed: next - first,
            ..Outcomes::default()
        },
        rows: Vec::new(),
        dead: Vec::new(),
        watermark: at(0),
    }
}

fn letter(offset: u64) -> DeadLetter {
    DeadLetter {
        offset,
        key: vec![0, 255],
        value: b"not \xff json".to_vec(),
        headers: r#"{"type":"cdc.posts"}"#.to_owned(),
        reason: "the value is not JSON: \0".to_owned(),
    }
}

async fn claim(ledger: &impl PipelineLedger, owner: &str) -> Claim {
    ledger.claim(PIPELINE, TOPIC, 0, owner).await.unwrap()
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Kind {
    outcome.unwrap_err().kind().clone()
}
