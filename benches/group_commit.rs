//! Durable appends to the embedded event log: many callers at once beside one after another, in the same run.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use nova::adapters::log::sqlite::SqliteLog;
use nova_actors::domain::record::{Headers, Record};
use nova_actors::domain::{Timestamp, TraceParent};
use nova_actors::ports::log::{EventSink, TopicSpec};

const APPENDS: usize = 2_000;
const CALLERS: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let log = SqliteLog::open(&dir.path().join("log.db")).await?;
    log.ensure_topics(&[TopicSpec {
        name: "bench".into(),
        partitions: 3,
    }])
    .await?;
    let alone = rate(&log, 1).await?;
    let together = rate(&log, CALLERS).await?;
    println!(
        "durable appends/s: one caller {alone:.0}, {CALLERS} callers {together:.0}; ratio {:.2}",
        together / alone
    );
    log.close().await;
    Ok(())
}

async fn rate(log: &SqliteLog, callers: usize) -> nova_actors::Result<f64> {
    let begun = Instant::now();
    let work = (0..callers).map(|caller| async move {
        for n in 0..APPENDS / callers {
            log.append(vec![record(caller, n)]).await?;
        }
        Ok(())
    });
    join_all(work)
        .await
        .into_iter()
        .collect::<nova_actors::Result<Vec<()>>>()?;
    Ok(APPENDS as f64 / begun.elapsed().as_secs_f64())
}

fn record(caller: usize, n: usize) -> Record {
    Record {
        topic: "bench".into(),
        key: Bytes::from(format!("{caller}")),
        value: Some(Bytes::from(format!(
            "{{\"n\":{n},\"pad\":\"{}\"}}",
            "x".repeat(250)
        ))),
        headers: Headers::new("bench", TraceParent::root()),
        at: Timestamp::from_millis(0),
    }
}
