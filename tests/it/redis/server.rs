//! A Redis of a test's own, to be killed, frozen and started again.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use fred::interfaces::ClientLike as _;
use fred::prelude::{Client, Config, Value};
use fred::types::{ClusterHash, CustomCommand};
use nova::adapters::redis::RedisOptions;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::harness::{PATIENCE, eventually};

/// What an operator must configure so that acknowledged chat survives.
pub(super) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A place for a server; started, stopped and started again with the same files at the same port.
pub(super) struct Server {
    directory: TempDir,
    port: u16,
    args: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A place where no server runs yet.
    pub(super) fn absent(args: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            directory: tempfile::tempdir().unwrap(),
            port: listener.local_addr().unwrap().port(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            child: None,
        }
    }

    pub(super) async fn started(args: &[&str]) -> Self {
        let mut server = Self::absent(args);
        server.start().await;
        server
    }

    pub(super) async fn start(&mut self) {
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--port",
                &self.port.to_string(),
            ])
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is installed (scripts/services.sh does it)");
        self.child = Some(child);
        eventually("redis listens", PATIENCE, async || {
            let address = ("127.0.0.1", self.port);
            let connected = tokio::net::TcpStream::connect(address).await;
            connected.map(drop).map_err(|e| e.to_string())
        })
        .await;
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self) {
        self.child.take().expect("it runs").kill().await.unwrap();
    }

    /// The process stops to do anything, its connections stay.
    pub(super) async fn freeze(&self) {
        self.signal("STOP").await;
    }

    pub(super) async fn thaw(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs");
        let script = format!("kill -s {name} {id}");
        let sent = Command::new("sh").args(["-c", &script]).status().await.unwrap();
        assert!(sent.success(), "{script}");
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn options(&self) -> RedisOptions {
        RedisOptions {
            url: self.url(),
            command_timeout: Duration::from_millis(500),
        }
    }

    pub(super) async fn admin(&self) -> Admin {
        Admin::connect(&self.url()).await
    }
}

/// Looks at a server, and meddles with it.
pub(super) struct Admin(Client);

impl Admin {
    pub(super) async fn connect(url: &str) -> Self {
        let client = Client::new(Config::from_url(url).unwrap(), None, None, None);
        client.init().await.unwrap();
        Self(client)
    }

    pub(super) async fn run(&self, words: &[&str]) -> Value {
        let (name, args) = words.split_first().unwrap();
        let command = CustomCommand::new((*name).to_owned(), ClusterHash::FirstKey, false);
        self.0.custom(command, args.to_vec()).await.unwrap()
    }

    pub(super) async fn number(&self, words: &[&str]) -> i64 {
        self.run(words).await.as_i64().expect("a number")
    }
}
