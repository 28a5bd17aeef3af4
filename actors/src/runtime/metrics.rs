//! Names of all metrics, in one place, with their descriptions.
//!
//! An id is never a label. Handles are made after the recorder is installed: earlier ones stay silent.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

macro_rules! names {
    ($($describe:ident $unit:ident $name:ident = $text:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $name: &str = $text;)*

        /// Describes every metric to the installed recorder.
        pub fn describe() {
            $($describe!($name, Unit::$unit, $help);)*
        }
    };
}

names! {
    describe_counter Count HTTP_REQUESTS = "nova_http_requests_total", "HTTP requests answered.";
    describe_histogram Seconds HTTP_DURATION = "nova_http_request_duration_seconds", "Time to answer an HTTP request.";
    describe_gauge Count WS_CONNECTIONS = "nova_ws_connections", "Open WebSocket connections.";
    describe_counter Count WS_CLOSED = "nova_ws_closed_total", "WebSocket connections closed, by close code.";
    describe_counter Count WS_REJECTED = "nova_ws_rejected_total", "WebSocket handshakes refused, by reason.";
    describe_gauge Count STREAMS_LIVE = "nova_streams_live", "Live streams with an actor on this node.";
    describe_gauge Count ROOM_VIEWERS = "nova_room_viewers", "Viewers connected to rooms of this node.";
    describe_counter Count ROOM_DELIVERIES = "nova_room_deliveries_total", "Frames queued to viewers.";
    describe_counter Count ROOM_SKIPPED = "nova_room_skipped_total", "Events that slow viewers were told they missed.";
    describe_histogram Seconds ROOM_PUBLISH_DURATION = "nova_room_publish_duration_seconds", "Time until a room event is durable.";
    describe_counter Count ACTOR_RESTARTS = "nova_actor_restarts_total", "Actors started again after a failure.";
    describe_gauge Count ACTOR_MAILBOX_DEPTH = "nova_actor_mailbox_depth", "Messages admitted and not yet handled.";
    describe_counter Count ACTOR_REJECTED = "nova_actor_rejected_total", "Messages refused because a mailbox was full.";
    describe_histogram Seconds ACTOR_HANDLE_DURATION = "nova_actor_handle_duration_seconds", "Time in an actor's handler.";
    describe_histogram Count LOADER_BATCH_SIZE = "nova_loader_batch_size", "Keys in one query of a loader.";
    describe_counter Count LOADER_FETCHES = "nova_loader_fetches_total", "Queries of a loader.";
    describe_counter Count PUBLISH = "nova_publish_total", "Records sent to the event log.";
    describe_histogram Seconds PUBLISH_DURATION = "nova_publish_duration_seconds", "Time until the event log had a batch.";
    describe_gauge Seconds OUTBOX_OLDEST = "nova_outbox_oldest_seconds", "Age of the oldest row still owed to the event log.";
    describe_counter Count PIPELINE_RECORDS = "nova_pipeline_records_total", "Records of a pipeline, by how they ended.";
    describe_gauge Count PIPELINE_LAG_RECORDS = "nova_pipeline_lag_records", "Records not yet consumed.";
    describe_gauge Seconds PIPELINE_LAG_SECONDS = "nova_pipeline_lag_seconds", "Age of the oldest record not yet consumed.";
    describe_histogram Count PIPELINE_BATCH_ROWS = "nova_pipeline_batch_rows", "Rows of one batch.";
    describe_histogram Seconds PIPELINE_FLUSH_DURATION = "nova_pipeline_flush_duration_seconds", "Time to write one batch.";
    describe_counter Count PIPELINE_RETRIES = "nova_pipeline_retries_total", "Batches tried again.";
    describe_counter Count PIPELINE_FENCED = "nova_pipeline_fenced_total", "Batches refused because of a newer owner.";
    describe_histogram Seconds FEED_DURATION = "nova_feed_duration_seconds", "Time to answer a feed page.";
    describe_counter Count FEED_SERVED = "nova_feed_served_total", "Feed pages, by rung and ranker.";
    describe_histogram Count FEED_CANDIDATES = "nova_feed_candidates", "Candidates of one ranking.";
    describe_histogram Seconds FEED_SOURCE_DURATION = "nova_feed_source_duration_seconds", "Time of one candidate query.";
    describe_counter Count FEED_RELAXED = "nova_feed_relaxed_total", "Rankings that had to relax a saturation rule.";
    describe_counter Count CACHE_REQUESTS = "nova_cache_requests_total", "Cache reads, by role and result.";
    describe_gauge Count BREAKER_STATE = "nova_breaker_state", "0 closed, 1 half-open, 2 open.";
    describe_gauge Count DEPENDENCY_UP = "nova_dependency_up", "Whether a dependency answers.";
    describe_counter Count JOB_RUNS = "nova_job_runs_total", "Runs of a job, by outcome.";
    describe_histogram Seconds JOB_DURATION = "nova_job_duration_seconds", "Time of one run of a job.";
    describe_gauge Seconds JOB_LAST_SUCCESS = "nova_job_last_success_timestamp_seconds", "When a job last succeeded.";
    describe_gauge Count BUILD_INFO = "nova_build_info", "Always 1; version and commit are labels.";
}

pub(super) fn kind_counter(name: &'static str, kind: &'static str) -> Counter {
    counter!(name, "kind" => kind)
}

pub(super) fn kind_gauge(name: &'static str, kind: &'static str) -> Gauge {
    gauge!(name, "kind" => kind)
}

pub(super) fn kind_histogram(name: &'static str, kind: &'static str) -> Histogram {
    histogram!(name, "kind" => kind)
}
