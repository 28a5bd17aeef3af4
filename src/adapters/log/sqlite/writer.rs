//! The log's only writer: merges whatever calls are waiting into one transaction, so that a sync of the disk
//! is paid per group and not per call. A call that finds the writer idle starts its transaction at once.

use std::time::Duration;

use nova_actors::domain::record::Position;
use nova_actors::{Error, Kind, Result};
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::append::{self, Row};
use super::journal;
use super::positions::{self, GroupPosition};
use crate::adapters::sqlite::Database;

/// Calls that may wait for the writer.
const QUEUE: usize = 1_024;
/// How long a call waits for a place in the queue before it is refused.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(2);
/// A group takes no further call once it has this many rows.
const GROUP_ROWS: usize = 10_000;

/// One call's share of a transaction.
#[derive(Debug)]
pub(super) enum Work {
    /// Records to append.
    Append(Vec<Row>),
    /// Room events to journal.
    Journal(Vec<journal::Row>),
    /// A consumer group's position.
    Commit(GroupPosition),
}

impl Work {
    fn rows(&self) -> usize {
        match self {
            Self::Append(rows) => rows.len(),
            Self::Journal(rows) => rows.len(),
            Self::Commit(_) => 1,
        }
    }
}

/// What a call's share came to: the positions of appended records, nothing for other work.
type Outcome = Result<Vec<Position>>;

#[derive(Debug)]
struct Job {
    work: Work,
    reply: oneshot::Sender<Outcome>,
}

/// Hands work to the writer's task. The task ends when it is stopped or the last handle is gone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    appended: watch::Sender<u64>,
    stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Writer {
    /// Starts the task on the current runtime.
    pub(super) fn start(db: Database) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Self {
            jobs,
            appended: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let task = Task {
            db,
            queue,
            appended: writer.appended.clone(),
        };
        writer.tasks.spawn(task.run(writer.stop.clone()));
        writer
    }

    /// Counts the records appended since the start.
    pub(super) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// Waits until `work` is durable.
    ///
    /// # Errors
    /// `Overloaded` when the queue stays full, `Unavailable` once the log is closed, or what the write met.
    pub(super) async fn write(&self, work: Work) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let job = Job { work, reply };
        self.jobs
            .send_timeout(job, ENQUEUE_TIMEOUT)
            .await
            .map_err(|refused| match refused {
                mpsc::error::SendTimeoutError::Timeout(_) => {
                    Error::new(Kind::Overloaded, "too many writes wait for the event log")
                }
                mpsc::error::SendTimeoutError::Closed(_) => Error::unavailable("the event log"),
            })?;
        outcome
            .await
            .map_err(|gone| Error::unavailable("the event log").with_source(gone))?
    }

    /// Refuses new work, finishes what waits, and ends the task.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The side that owns the queue.
struct Task {
    db: Database,
    queue: mpsc::Receiver<Job>,
    appended: watch::Sender<u64>,
}

impl Task {
    async fn run(mut self, stop: CancellationToken) {
        while let Some(first) = self.next(&stop).await {
            let mut rows = first.work.rows();
            let mut group = vec![first];
            while rows < GROUP_ROWS {
                let Ok(job) = self.queue.try_recv() else { break };
                rows += job.work.rows();
                group.push(job);
            }
            self.settle(group).await;
        }
    }

    /// The next job; after a stop only those that already wait.
    async fn next(&mut self, stop: &CancellationToken) -> Option<Job> {
        if !self.queue.is_closed() {
            tokio::select! {
                biased;
                () = stop.cancelled() => self.queue.close(),
                job = self.queue.recv() => return job,
            }
        }
        self.queue.recv().await
    }

    async fn settle(&self, mut group: Vec<Job>) {
        // Nobody waits for these any more: what a caller gave up has an unknown outcome, and shedding it
        // helps those who still wait.
        group.retain(|job| !job.reply.is_closed());
        match self.commit(&group).await {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    answer(job, outcome);
                }
            }
            // One call's bad row must not fail its neighbours.
            Err(error) if group.len() > 1 && !error.retryable() => {
                for job in group {
                    let outcome = match self.commit(std::slice::from_ref(&job)).await {
                        Ok(mut outcomes) => outcomes.pop().unwrap_or_else(|| Ok(Vec::new())),
                        Err(error) => Err(error),
                    };
                    answer(job, outcome);
                }
            }
            Err(error) => {
                for job in group {
                    answer(job, Err(error.clone()));
                }
            }
        }
    }

    /// Writes a group in one transaction; a call that is refused by itself writes nothing.
    async fn commit(&self, group: &[Job]) -> Result<Vec<Outcome>> {
        if group.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.db.begin().await?;
        let outcomes = self.write(&mut transaction, group).await?;
        transaction.commit().await.map_err(|e| self.db.failure(e))?;
        let count: usize = outcomes.iter().flatten().map(Vec::len).sum();
        if count > 0 {
            self.appended
                .send_modify(|total| *total = total.wrapping_add(u64::try_from(count).unwrap_or_default()));
        }
        Ok(outcomes)
    }

    async fn write(&self, connection: &mut SqliteConnection, group: &[Job]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(group.len());
        let mut events = Vec::new();
        let mut placement =
            append::Placement::load(&self.db, connection, group.iter().flat_map(appended)).await?;
        for job in group {
            outcomes.push(match &job.work {
                Work::Append(rows) => placement.place(rows),
                Work::Journal(rows) => {
                    events.extend(rows);
                    Ok(Vec::new())
                }
                Work::Commit(position) => positions::store(&self.db, connection, position)
                    .await?
                    .map(|()| Vec::new()),
            });
        }
        placement.save(&self.db, connection).await?;
        journal::save(&self.db, connection, &events).await?;
        Ok(outcomes)
    }
}

fn appended(job: &Job) -> &[Row] {
    match &job.work {
        Work::Append(rows) => rows,
        Work::Journal(_) | Work::Commit(_) => &[],
    }
}

/// A caller that went away in the meantime is normal.
fn answer(job: Job, outcome: Outcome) {
    let _ = job.reply.send(outcome);
}
