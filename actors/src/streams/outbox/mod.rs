//! What a room has for one viewer: three bounded lanes between a shard, which never waits, and the
//! connection's writer, which takes everything queued and flushes once.
//!
//! Each side learns that the other went away by its drop: the connection sees [`End::Lost`], the shard sees
//! [`OutboxWriter::is_gone`].

mod lanes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use lanes::{CloseReason, End, LogItem, Taken};

use super::frame::{Frame, LogFrame, Missed};
use lanes::Lanes;

#[derive(Debug)]
struct Shared {
    lanes: Mutex<Lanes>,
    queued: Notify,
    gone: AtomicBool,
    beat: Mutex<Option<Instant>>,
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room's side. Dropping it without [`OutboxWriter::close`] tells the connection to join again.
#[derive(Debug)]
pub struct OutboxWriter(Arc<Shared>);

/// The connection's side. Dropping it is how a viewer leaves.
#[derive(Debug)]
pub struct Outbox(Arc<Shared>);

/// A new outbox for one join.
#[must_use]
pub fn outbox() -> (OutboxWriter, Outbox) {
    let shared = Arc::new(Shared {
        lanes: Mutex::new(Lanes::default()),
        queued: Notify::new(),
        gone: AtomicBool::new(false),
        beat: Mutex::new(None),
    });
    (OutboxWriter(Arc::clone(&shared)), Outbox(shared))
}

impl OutboxWriter {
    /// Queues the events of one tick; answers how many older ones were shed for them.
    pub fn push_log(&self, tick: &[LogFrame], now: Instant) -> u64 {
        let shed = self.0.lanes().push_log(tick, now);
        self.0.queued.notify_one();
        shed
    }

    /// Names events that this viewer will not get.
    pub fn push_skip(&self, missed: Missed, now: Instant) {
        self.0.lanes().push_skip(missed, now);
        self.0.queued.notify_one();
    }

    /// Replaces the state that waits.
    pub fn push_state(&self, frame: &Frame) {
        self.0.lanes().push_state(frame.clone());
        self.0.queued.notify_one();
    }

    /// Ends the connection after what is queued was written.
    pub fn close(&self, reason: CloseReason) {
        self.0.lanes().close(End::Closed(reason));
        self.0.queued.notify_one();
    }

    /// Whether the connection has left.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.gone.load(Ordering::Acquire)
    }

    /// Whether the viewer said to be watching within `window` before `now`.
    #[must_use]
    pub fn watched_within(&self, window: Duration, now: Instant) -> bool {
        let beat = *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner);
        beat.is_some_and(|at| now.duration_since(at) <= window)
    }
}

impl Drop for OutboxWriter {
    fn drop(&mut self) {
        self.0.lanes().close(End::Lost);
        self.0.queued.notify_one();
    }
}

impl Outbox {
    /// Waits until something may have been queued; then [`Outbox::take`]. Loses no wake-up when cancelled.
    pub async fn ready(&self) {
        self.0.queued.notified().await;
    }

    /// Takes everything that is queued.
    pub fn take(&self) -> Taken {
        self.0.lanes().take()
    }

    /// Queues an answer or a notice of the connection itself.
    pub fn push_control(&self, frame: Frame) {
        self.0.lanes().push_control(frame);
        self.0.queued.notify_one();
    }

    /// The viewer watches (or has just looked away).
    pub fn beat(&self, watching: bool) {
        *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner) = watching.then(Instant::now);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Release);
        // Whatever is queued would only hold memory until the room notices.
        drop(self.0.lanes().take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::streams::frame::keepalive;

    fn frame() -> Frame {
        keepalive(Timestamp::from_millis(1)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_before_the_wait_still_wakes() {
        let (writer, reader) = outbox();
        writer.push_state(&frame());
        tokio::time::timeout(Duration::from_secs(1), reader.ready())
            .await
            .expect("woken");
        assert_eq!(reader.take().state, Some(frame()));
    }

    #[test]
    fn a_dropped_writer_is_a_lost_room_unless_it_closed() {
        let (writer, reader) = outbox();
        drop(writer);
        assert_eq!(reader.take().end, Some(End::Lost));

        let (writer, reader) = outbox();
        writer.close(CloseReason::Ended);
        drop(writer);
        assert_eq!(reader.take().end, Some(End::Closed(CloseReason::Ended)));
    }

    #[test]
    fn a_dropped_reader_has_left() {
        let (writer, reader) = outbox();
        assert!(!writer.is_gone());
        drop(reader);
        assert!(writer.is_gone());
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_counts_for_its_window() {
        let (writer, reader) = outbox();
        let window = Duration::from_secs(45);
        assert!(!writer.watched_within(window, Instant::now()));
        reader.beat(true);
        assert!(writer.watched_within(window, Instant::now()));
        tokio::time::advance(Duration::from_secs(46)).await;
        assert!(!writer.watched_within(window, Instant::now()));
        reader.beat(true);
        reader.beat(false);
        assert!(!writer.watched_within(window, Instant::now()));
    }
}
