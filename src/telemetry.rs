//! Logs, metrics and panics. Everything here belongs to the process and is installed once, however many
//! applications a test starts in it.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use nova_actors::runtime::metrics as names;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;

use crate::config::{LogFormat, Logging};
use crate::failure::Failure;

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, when the build was told (`NOVA_COMMIT`).
pub const COMMIT: &str = match option_env!("NOVA_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// How often recorded samples are moved into their buckets; until then they pile up.
const UPKEEP: Duration = Duration::from_secs(5);
/// Bounds for everything measured in seconds: 0.5 ms to 30 s.
const SECONDS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Bounds for everything counted: sizes of batches, candidates.
const COUNTS: [f64; 13] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
];
/// Endings of the histograms that count.
const COUNTED: [&str; 3] = ["_size", "_rows", "_candidates"];

/// The process's metrics.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

impl Metrics {
    /// The process's recorder, installed by the first call.
    ///
    /// # Errors
    /// An internal failure when something else has installed another recorder.
    pub fn install() -> Result<Self, Failure> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = installed.as_ref() {
            return Ok(metrics.clone());
        }
        let failure = |e: metrics_exporter_prometheus::BuildError| {
            Failure::internal(format!("the metrics recorder could not be installed: {e}"))
        };
        let mut builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .map_err(failure)?;
        for ending in COUNTED {
            builder = builder
                .set_buckets_for_metric(Matcher::Suffix(ending.into()), &COUNTS)
                .map_err(failure)?;
        }
        let metrics = Self {
            handle: builder.install_recorder().map_err(failure)?,
        };
        names::describe();
        metrics::gauge!(names::BUILD_INFO, "version" => VERSION, "commit" => COMMIT).set(1.0);
        *installed = Some(metrics.clone());
        Ok(metrics)
    }

    /// What renders them.
    #[must_use]
    pub fn prometheus(&self) -> PrometheusHandle {
        self.handle.clone()
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the recorder's memory bounded until `shutdown`.
    pub async fn upkeep(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(UPKEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            self.handle.run_upkeep();
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Starts logging to standard error. A later call changes nothing: the first one counts.
///
/// # Errors
/// A configuration failure for filter directives that cannot be read.
pub fn log(logging: &Logging) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_new(&logging.level).map_err(|e| Failure::config(format!("logging.level: {e}")))?;
    let lines: SubscriberBuilder<_, _, EnvFilter, _> = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours(&std::io::stderr()));
    // An error means that a subscriber is there already, as in a test with several applications.
    let _already_there = match logging.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().with_ansi(false).flatten_event(true).try_init(),
    };
    Ok(())
}

/// Sends panics to the log instead of raw text to standard error. For the program only: in a test the
/// harness's own hook says more.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a payload that is not text");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let backtrace = std::backtrace::Backtrace::capture();
        error!(
            panic.message = message,
            panic.location = location,
            panic.thread = thread.name().unwrap_or("unnamed"),
            panic.backtrace = %backtrace,
            "panicked"
        );
    }));
}

/// Whether text for `stream` may have colours.
#[must_use]
pub fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_gives_the_same_metrics() {
        let first = Metrics::install().unwrap();
        let second = Metrics::install().unwrap();
        metrics::counter!("nova_test_installs_total").increment(1);
        assert!(first.render().contains("nova_test_installs_total 1"));
        assert!(second.render().contains("nova_test_installs_total 1"));
    }

    #[test]
    fn build_and_histograms_have_their_shape() {
        let metrics = Metrics::install().unwrap();
        metrics::histogram!("nova_test_duration_seconds").record(0.003);
        metrics::histogram!("nova_test_batch_size").record(7.0);
        let text = metrics.render();
        let build = format!("nova_build_info{{version=\"{VERSION}\",commit=\"{COMMIT}\"}} 1");
        assert!(text.contains(&build), "{text}");
        assert!(
            text.contains("nova_test_duration_seconds_bucket{le=\"0.0025\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("nova_test_duration_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("nova_test_batch_size_bucket{le=\"10\"} 1"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn upkeep_ends_with_the_shutdown() {
        let shutdown = CancellationToken::new();
        let upkeep = Metrics::install().unwrap().upkeep(shutdown.clone());
        let stop = async {
            tokio::time::advance(3 * UPKEEP).await;
            shutdown.cancel();
        };
        let both = async { tokio::join!(upkeep, stop) };
        tokio::time::timeout(10 * UPKEEP, both)
            .await
            .expect("the upkeep goes on after the shutdown");
    }

    #[test]
    fn a_second_subscriber_is_no_error_and_bad_directives_are() {
        let logging = |level: &str| Logging {
            format: LogFormat::Json,
            level: level.into(),
        };
        log(&logging("off")).unwrap();
        log(&logging("info,nova=debug")).unwrap();
        assert_eq!(log(&logging("nova=loud")).unwrap_err().exit().code(), 78);
    }
}
