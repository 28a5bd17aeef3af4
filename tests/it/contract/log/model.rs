//! Random histories of append, trim, fetch and reopening against a plain vector.

use nova_actors::Kind;
use nova_actors::domain::Timestamp;
use nova_actors::domain::record::Record;
use nova_actors::ports::log::{EventSink as _, EventSource as _, LogRetention as _};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{LogPlace, opened, record_at};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<i64>),
    Trim(i64),
    Fetch { from: u64, max: u32 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(0_i64..100, 1..20).prop_map(Step::Append),
        2 => (0_i64..110).prop_map(Step::Trim),
        5 => (0_u64..120, 0_u32..40).prop_map(|(from, max)| Step::Fetch { from, max }),
        1 => Just(Step::Reopen),
    ]
}

/// The whole history of a partition, and how much of its front is gone.
#[derive(Default)]
struct Model {
    records: Vec<Record>,
    earliest: usize,
}

impl Model {
    fn trim(&mut self, before: i64) -> usize {
        let gone = self.records[self.earliest..]
            .iter()
            .take_while(|record| record.at.millis() < before)
            .count();
        self.earliest += gone;
        gone
    }
}

async fn replay<P: LogPlace>(steps: Vec<Step>) {
    let (place, mut log, name) = opened::<P>("model", 1).await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(times) => {
                let records: Vec<_> = times
                    .into_iter()
                    .map(|at| record_at(&name, "k", "v", at))
                    .collect();
                let positions = log.append(records.clone()).await.unwrap();
                let first = model.records.len();
                model.records.extend(records);
                let offsets: Vec<_> = positions.iter().map(|p| p.offset as usize).collect();
                assert_eq!(offsets, (first..model.records.len()).collect::<Vec<_>>());
            }
            Step::Trim(before) => {
                let removed = log.trim(&name, Timestamp::from_millis(before)).await.unwrap();
                assert_eq!(removed as usize, model.trim(before));
            }
            Step::Fetch { from, max } => check_fetch::<P>(&log, &name, &model, from, max).await,
            Step::Reopen => {
                drop(log);
                log = place.open().await;
            }
        }
        let bounds = log.bounds(&name).await.unwrap()[0];
        assert_eq!(bounds.earliest as usize, model.earliest);
        assert_eq!(bounds.end as usize, model.records.len());
    }
}

async fn check_fetch<P: LogPlace>(log: &P::Log, name: &str, model: &Model, from: u64, max: u32) {
    let start = from as usize;
    match log.fetch(name, 0, from, max).await {
        Ok(page) => {
            let stop = model.records.len().min(start + max as usize);
            let read: Vec<_> = page.into_iter().map(|stored| stored.record).collect();
            assert_eq!(read, model.records[start..stop]);
        }
        Err(error) if start < model.earliest => assert_eq!(*error.kind(), Kind::CursorExpired),
        Err(error) => {
            assert!(start > model.records.len(), "{error}");
            assert_eq!(*error.kind(), Kind::CursorInvalid);
        }
    }
}

pub(super) fn random_histories_equal_a_plain_vector<P: LogPlace>() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..25), |steps| {
            runtime.block_on(replay::<P>(steps));
            Ok(())
        })
        .unwrap();
}
