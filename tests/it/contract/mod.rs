//! Contract suites: each is written once against a port and runs over every adapter of it.
//!
//! A suite gets a *place* where an adapter keeps its data. A new place is empty; opening it again finds what an
//! earlier adapter left there, also one that was dropped without being closed.

/// One test per named function of the enclosing module, run over `$place`.
macro_rules! contract_tests {
    ($place:ty: $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<$place>().await;
            }
        )+
    };
}

mod analytics;
mod cache;
mod journal;
mod ledger;
mod log;
mod rooms;
mod store;

use std::time::Duration;

/// Long enough for a busy machine; a wait that reaches it fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("not done before the deadline")
}

/// A database file of the embedded log, in a directory of its own; it outlives the adapters opened on it.
pub(crate) struct LogFile {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl LogFile {
    pub(crate) fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.db");
        Self {
            _directory: directory,
            path,
        }
    }

    pub(crate) async fn open(&self) -> nova::adapters::log::sqlite::SqliteLog {
        nova::adapters::log::sqlite::SqliteLog::open(&self.path)
            .await
            .unwrap()
    }
}
