//! The pipelines' ledger in plain memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ports::analytics::{Batch, Claim};
use crate::ports::ledger::{PipelineLedger, Range};

type Key = (String, String, u16);

#[derive(Debug, Default)]
struct Place {
    epoch: u64,
    next: u64,
    pending: Option<u64>,
    watermark: Option<Timestamp>,
}

impl Place {
    fn admit(&self, epoch: u64, first: u64) -> Result<()> {
        if self.epoch != epoch {
            return Err(Error::new(Kind::Fenced, "the partition has another owner"));
        }
        if self.next != first {
            return Err(Error::new(
                Kind::Fenced,
                format!("the ledger goes on from {}, the batch from {first}", self.next),
            ));
        }
        Ok(())
    }
}

/// A ledger that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    places: Mutex<BTreeMap<Key, Place>>,
}

impl MemoryLedger {
    fn places(&self) -> MutexGuard<'_, BTreeMap<Key, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(pipeline: &str, topic: &str, partition: u16) -> Key {
    (pipeline.to_owned(), topic.to_owned(), partition)
}

fn claimed<'a>(places: &'a mut BTreeMap<Key, Place>, range: &Range<'_>) -> Result<&'a mut Place> {
    let place = places
        .get_mut(&key(range.pipeline, range.topic, range.partition))
        .ok_or_else(|| Error::new(Kind::Fenced, "the partition has not been claimed"))?;
    place.admit(range.epoch, range.first)?;
    Ok(place)
}

#[async_trait]
impl PipelineLedger for MemoryLedger {
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, _owner: &str) -> Result<Claim> {
        let mut places = self.places();
        let place = places.entry(key(pipeline, topic, partition)).or_default();
        place.epoch += 1;
        Ok(Claim {
            epoch: place.epoch,
            next_offset: place.next,
            pending: place.pending,
        })
    }

    async fn begin(&self, range: Range<'_>) -> Result<()> {
        claimed(&mut self.places(), &range)?.pending = Some(range.next);
        Ok(())
    }

    async fn settle(&self, batch: &Batch) -> Result<()> {
        batch.adds_up()?;
        let mut places = self.places();
        let place = claimed(&mut places, &Range::of(batch))?;
        if batch.first < batch.next {
            place.next = batch.next;
            place.pending = None;
        }
        place.watermark = place.watermark.max(Some(batch.watermark));
        Ok(())
    }

    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>> {
        let places = self.places();
        let of_pipeline = places.iter().filter(|((name, ..), _)| name == pipeline);
        Ok(of_pipeline.filter_map(|(_, place)| place.watermark).min())
    }
}
