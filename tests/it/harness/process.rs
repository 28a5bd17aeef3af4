//! The real binary, started the way a person starts it and stopped by its own process id.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::client::Api;
use super::wait::{PATIENCE, eventually};

/// Longest stop that is still in order: the drain's own limit, and a little for the process.
const STOP: Duration = Duration::from_secs(35);

/// A directory of a test's own, with the data and the log of the programs that run in it one after the other.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("nova.log")
    }

    fn ports(&self) -> PathBuf {
        self.0.path().join("ports.json")
    }

    /// What the programs have logged so far.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// How `nova dev` is started.
#[derive(Clone)]
pub(crate) struct Launch {
    seed: bool,
    demo_chat: bool,
    variables: Vec<(&'static str, String)>,
}

impl Launch {
    /// With nothing in it.
    pub(crate) const fn empty() -> Self {
        Self {
            seed: false,
            demo_chat: false,
            variables: Vec::new(),
        }
    }

    /// With the demo world, as a person starts it.
    pub(crate) const fn seeded() -> Self {
        Self {
            seed: true,
            demo_chat: true,
            variables: Vec::new(),
        }
    }

    /// With a demo world in which nobody talks.
    pub(crate) fn quiet(self) -> Self {
        Self {
            demo_chat: false,
            ..self
        }
    }

    /// With a setting, given as a variable.
    pub(crate) fn set(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.variables.push((variable, value.to_string()));
        self
    }

    /// With rooms in which load is not flooding.
    pub(crate) fn talkative(self) -> Self {
        self.set("NOVA__ROOMS__CHAT_BURST", 100_000)
            .set("NOVA__ROOMS__CHAT_WINDOW", "1s")
    }

    /// Variables, and whether the demo world is made and talks.
    pub(super) fn parts(&self) -> (impl Iterator<Item = (&'static str, &str)>, bool, bool) {
        let variables = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        (variables, self.seed, self.demo_chat)
    }

    fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = [("--no-seed", !self.seed), ("--no-demo-chat", !self.demo_chat)];
        flags
            .into_iter()
            .filter_map(|(flag, given)| given.then_some(flag))
    }
}

/// A running `nova dev`; killed when dropped.
pub(crate) struct Nova {
    api: Api,
    child: Child,
    log: PathBuf,
}

impl Deref for Nova {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Nova {
    /// Starts the program and waits until it says that it is ready.
    pub(crate) async fn start(home: &Home, launch: &Launch) -> Self {
        let ports = home.ports();
        let _stale = std::fs::remove_file(&ports);
        let log = home.log();
        let output = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_nova"))
            .args(["dev", "--bind", "127.0.0.1:0", "--internal-bind", "127.0.0.1:0"])
            .args(launch.flags())
            .arg("--data-dir")
            .arg(home.data())
            .arg("--ports-file")
            .arg(&ports)
            .envs(launch.parts().0)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .expect("nova starts");
        let (public, internal) = eventually("nova is ready", PATIENCE, async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!(
                    "nova ended before it was ready, with {status}:\n{}",
                    home.logged()
                );
            }
            addresses(&ports).ok_or_else(|| format!("no ports file; log:\n{}", home.logged()))
        })
        .await;
        Self {
            api: Api::new(public, internal),
            child,
            log,
        }
    }

    /// Where it listens, to use while something else owns the process.
    pub(crate) fn api(&self) -> Api {
        self.api.clone()
    }

    /// Ends the process at once: SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks the process to stop: SIGTERM.
    pub(crate) async fn ask_to_stop(&self) {
        let pid = self.child.id().expect("nova is running").to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s TERM \"$0\"", &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success(), "SIGTERM could not be sent to {pid}");
    }

    /// Waits for the end of the process that was asked to stop.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        timeout(STOP, self.child.wait())
            .await
            .expect("nova ends within its drain deadline")
            .unwrap()
    }

    /// Stops the process in order; it must say that all went well.
    pub(crate) async fn stop(self) {
        self.ask_to_stop().await;
        let log = self.log.clone();
        let status = self.ended().await;
        let text = || std::fs::read_to_string(&log).unwrap_or_default();
        assert_eq!(
            status.code(),
            Some(0),
            "exit of a stop in order; log:\n{}",
            text()
        );
    }
}

impl Drop for Nova {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- log of nova ---\n{text}--- end of the log ---");
        }
    }
}

fn addresses(ports: &Path) -> Option<(SocketAddr, SocketAddr)> {
    let ports: Value = serde_json::from_slice(&std::fs::read(ports).ok()?).expect("a whole ports file");
    let address = |name: &str| ports[name].as_str().and_then(|text| text.parse().ok());
    Some((address("http")?, address("internal")?))
}
