//! `nova dev`: starting, saying so, refusing and stopping.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{done, nova, run, run_with};

const PATIENCE: Duration = Duration::from_secs(20);

fn wait_for(child: &mut Child) -> i32 {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().expect("an exit code");
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("the program did not end within {PATIENCE:?}");
        }
        std::thread::yield_now();
    }
}

/// A running `nova dev` on free ports; killed when dropped.
struct Dev {
    child: Child,
    /// Standard error up to and including the line that says that it is ready.
    log: String,
    rest: BufReader<std::process::ChildStderr>,
}

impl Dev {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = nova(&["dev", "--bind", "127.0.0.1:0", "--internal-bind", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut rest = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("Nova ready") {
            assert!(
                rest.read_line(&mut log).unwrap() > 0,
                "ended before it was ready: {log}"
            );
        }
        Self { child, log, rest }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn dev_refuses_addresses_that_others_reach() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().to_str().unwrap();
    for flag in ["--bind", "--internal-bind"] {
        let refused = run(&["dev", flag, "0.0.0.0:0", "--data-dir", data]);
        assert_eq!((refused.code, refused.out.as_str()), (78, ""), "{refused:?}");
        assert!(
            refused.err.contains(flag) && refused.err.contains("loopback"),
            "{refused:?}"
        );
    }
    let refused = run_with(("NOVA__HTTP__BIND", "[::]:0"), &["dev", "--data-dir", data]);
    assert_eq!(refused.code, 78);
    assert!(refused.err.contains("NOVA__HTTP__BIND"), "{refused:?}");
}

#[test]
fn a_taken_port_exits_69_and_names_port_and_flag() {
    let temp = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (flag, http, internal) in [
        ("--bind", addr.as_str(), free),
        ("--internal-bind", free, addr.as_str()),
    ] {
        let args = [
            "dev",
            "--bind",
            http,
            "--internal-bind",
            internal,
            "--no-seed",
            "--data-dir",
        ];
        let done = done(nova(&args).arg(temp.path()).output().unwrap());
        assert_eq!((done.code, done.out.as_str()), (69, ""), "{done:?}");
        let port = addr.rsplit(':').next().unwrap();
        assert!(done.err.contains(port) && done.err.contains(flag), "{done:?}");
    }
}

#[test]
fn a_running_dev_logs_that_it_is_ready_and_stops_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let temp = tempfile::tempdir().unwrap();
        let ports = temp.path().join("ports.json");
        let data = temp.path().join("data");
        let mut dev = Dev::start(&data, &["--no-seed", "--ports-file", ports.to_str().unwrap()]);
        let until = Instant::now() + PATIENCE;
        while !ports.exists() {
            assert!(Instant::now() < until, "no ports file");
            std::thread::yield_now();
        }
        let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(&ports).unwrap()).unwrap();
        assert_eq!(ports["pid"], dev.child.id());
        for listener in ["http", "internal"] {
            let addr = ports[listener].as_str().unwrap();
            assert!(dev.log.contains(addr), "{listener} {addr} is not in: {}", dev.log);
            std::net::TcpStream::connect(addr).unwrap();
        }
        dev.signal(signal);
        assert_eq!(wait_for(&mut dev.child), 0);
        let mut out = String::new();
        dev.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        assert_eq!(out, "", "the banner is for terminals");
        let mut rest = String::new();
        dev.rest.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("stopping"), "{rest}");
    }
}

#[test]
fn two_programs_cannot_share_a_data_directory() {
    let temp = tempfile::tempdir().unwrap();
    let _first = Dev::start(temp.path(), &["--no-seed"]);
    let free = "127.0.0.1:0";
    let args = [
        "dev",
        "--bind",
        free,
        "--internal-bind",
        free,
        "--no-seed",
        "--data-dir",
    ];
    let second = done(nova(&args).arg(temp.path()).output().unwrap());
    assert_eq!((second.code, second.out.as_str()), (69, ""), "{second:?}");
    assert!(
        second.err.contains("in use") && second.err.contains(temp.path().to_str().unwrap()),
        "{second:?}"
    );
    let token = done(
        nova(&["token", "--user", "ana", "--data-dir"])
            .arg(temp.path())
            .output()
            .unwrap(),
    );
    assert_eq!(token.code, 0, "tokens can be had while it runs: {token:?}");
}

#[test]
fn a_data_directory_is_free_again_after_a_kill() {
    let temp = tempfile::tempdir().unwrap();
    let mut first = Dev::start(temp.path(), &["--no-seed"]);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    Dev::start(temp.path(), &["--no-seed"]);
}

#[test]
fn a_ports_file_that_cannot_be_written_exits_69() {
    let temp = tempfile::tempdir().unwrap();
    let free = "127.0.0.1:0";
    let args = [
        "dev",
        "--bind",
        free,
        "--internal-bind",
        free,
        "--no-seed",
        "--ports-file",
        "/nonexistent/p",
    ];
    let done = done(nova(&args).arg("--data-dir").arg(temp.path()).output().unwrap());
    assert_eq!(done.code, 69, "{done:?}");
    assert!(done.err.contains("--ports-file"), "{done:?}");
}

#[test]
fn logs_are_json_when_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let mut child = nova(&[
        "dev",
        "--bind",
        "127.0.0.1:0",
        "--internal-bind",
        "127.0.0.1:0",
        "--no-seed",
        "--data-dir",
    ])
    .arg(temp.path())
    .env("NOVA__LOGGING__FORMAT", "json")
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let ready = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find(|line| line.contains("Nova ready"));
    child.kill().unwrap();
    child.wait().unwrap();
    let line: serde_json::Value = serde_json::from_str(&ready.expect("a line that says so")).unwrap();
    assert_eq!(
        (line["message"].as_str(), line["level"].as_str()),
        (Some("Nova ready"), Some("INFO"))
    );
    assert!(line["http"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(
        line["internal"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{line}"
    );
}
