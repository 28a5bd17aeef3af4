//! The production composition root in this process, for tests that look inside.

use std::ffi::OsString;
use std::ops::Deref;

use nova::app::{App, DevOptions};
use nova::config::{Sources, load};
use nova::data_dir::DataDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::client::Api;
use super::process::{Home, Launch};
use super::wait::PATIENCE;

/// What `nova dev` runs, on free ports, without its command line. Ends with the test's runtime.
pub(crate) struct TestApp {
    api: Api,
    queries: Box<dyn Fn() -> u64>,
    shutdown: CancellationToken,
    running: JoinSet<Result<(), nova::failure::Failure>>,
}

impl Deref for TestApp {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl TestApp {
    /// Starts everything; it serves when this returns.
    pub(crate) async fn start(home: &Home, launch: &Launch) -> Self {
        let (variables, seed, demo_chat) = launch.parts();
        let sources = Sources {
            file: None,
            variables: variables
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
            flags: Vec::new(),
        };
        let sources = sources
            .flag("--bind", "http.bind", Some("127.0.0.1:0"))
            .flag("--internal-bind", "internal.bind", Some("127.0.0.1:0"))
            .flag("--data-dir", "data.dir", Some(home.data().display()));
        let config = load(&sources).expect("a good configuration").config;
        let data = DataDir::open(&config.data.dir).unwrap();
        let options = DevOptions { seed, demo_chat };
        let app = App::build(&config, &data, options)
            .await
            .expect("the application starts");
        let api = Api::new(app.http_addr(), app.internal_addr());
        let queries = Box::new(app.store_queries());
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(app.run(shutdown.clone()));
        Self {
            api,
            queries,
            shutdown,
            running,
        }
    }

    /// Statements that the store has executed so far.
    pub(crate) fn store_queries(&self) -> u64 {
        (self.queries)()
    }

    /// Stops in order.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = timeout(PATIENCE, self.running.join_next()).await;
        let outcome = ended.expect("stopped in time").expect("it was running");
        outcome.unwrap().expect("a stop in order");
    }
}
