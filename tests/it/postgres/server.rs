//! A Postgres server of a test's own, which it may kill and start again.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::harness::{PATIENCE, eventually};

/// Data in a folder of its own, and the process on it, if it runs.
pub(super) struct OwnServer {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl OwnServer {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = someone_else() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let made = command("initdb")
            .args([
                "-A",
                "trust",
                "-U",
                "nova",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = Self {
            folder,
            port,
            process: None,
        };
        server.up().await;
        server
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://nova@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the process, and waits until it answers.
    pub(super) async fn up(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let process = command("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string()])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", "wal_level=logical"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        eventually("the server answers", PATIENCE, async || {
            let session = PgConnection::connect(&self.url()).await;
            session.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// `kill -9`: whatever was not written is lost.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    command.current_dir("/");
    if let Some((user, group)) = someone_else() {
        command.uid(user).gid(group);
    }
    command
}

/// Where Debian keeps the newest version's programs.
fn programs() -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").expect("Postgres is not installed: apt-get install postgresql");
    let version = |path: &PathBuf| -> u32 {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    let newest = versions.map(|entry| entry.unwrap().path()).max_by_key(version);
    newest.expect("no version of Postgres is installed").join("bin")
}

/// User and group for a server that refuses to run as root; `None` when nobody is root.
fn someone_else() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}
