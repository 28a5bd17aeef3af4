//! The program as the shell sees it: what is printed where, and the exit codes.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn nova(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nova"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

fn done(output: Output) -> Done {
    Done {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(args: &[&str]) -> Done {
    done(nova(args).output().unwrap())
}

fn run_with(variable: (&str, &str), args: &[&str]) -> Done {
    done(nova(args).env(variable.0, variable.1).output().unwrap())
}

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
fn a_wrong_command_line_exits_64_and_help_exits_0() {
    for args in [
        &[][..],
        &["sevre"],
        &["dev", "--bnid", "x"],
        &["dev", "--bind", "localhost"],
        &["token"],
        &["config"],
        &["migrate", "down"],
        &["token", "--user", "Not A Name"],
        &["token", "--user", ""],
    ] {
        let done = run(args);
        assert_eq!((done.code, done.out.as_str()), (64, ""), "{args:?}: {done:?}");
        assert!(!done.err.is_empty(), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["dev", "--help"]] {
        let done = run(args);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{args:?}: {done:?}");
        assert!(
            !done.out.is_empty() && !done.out.contains('\x1b'),
            "{args:?}: {done:?}"
        );
    }
}

#[test]
fn a_good_file_passes_and_a_bad_one_names_file_line_and_nearest_key() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("nova.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[http]\nmax_connections = 20\n").unwrap();
    let good = run(&["check-config", "--config", path]);
    assert_eq!((good.code, good.err.as_str()), (0, ""), "{good:?}");
    assert!(good.out.contains("valid"), "{good:?}");

    std::fs::write(&file, "[http]\nmax_conections = 20\n\n[rooms]\nheartbeat = 25\n").unwrap();
    let bad = run(&["check-config", "--config", path]);
    assert_eq!((bad.code, bad.out.as_str()), (78, ""), "{bad:?}");
    assert!(
        bad.err.contains(&format!("{path}:2")) && bad.err.contains("http.max_connections"),
        "{bad:?}"
    );
    assert!(
        bad.err.contains(&format!("{path}:5")) && bad.err.contains("rooms.heartbeat"),
        "{bad:?}"
    );
    assert!(
        !bad.err.contains('\x1b'),
        "no colours without a terminal: {bad:?}"
    );

    let missing = run(&["check-config", "--config", "/nonexistent/nova.toml"]);
    assert_eq!(missing.code, 78, "{missing:?}");
    assert!(missing.err.contains("/nonexistent/nova.toml"), "{missing:?}");
}

#[test]
fn a_bad_variable_is_named_with_the_nearest_one() {
    let unknown = run_with(("NOVA__HTTP__BNID", "127.0.0.1:1"), &["check-config"]);
    assert_eq!(unknown.code, 78);
    assert!(
        unknown.err.contains("NOVA__HTTP__BNID") && unknown.err.contains("NOVA__HTTP__BIND"),
        "{unknown:?}"
    );

    let wrong = run_with(("NOVA__HTTP__MAX_CONNECTIONS", "many"), &["check-config"]);
    assert_eq!(wrong.code, 78);
    assert!(
        wrong.err.contains("NOVA__HTTP__MAX_CONNECTIONS") && wrong.err.contains("whole number"),
        "{wrong:?}"
    );

    assert_eq!(run_with(("NOVA__HTTP__BIND", ""), &["check-config"]).code, 0);
    assert_eq!(run_with(("NOVA_UNRELATED", "1"), &["check-config"]).code, 0);
}

#[test]
fn the_defaults_are_a_file_that_passes() {
    let defaults = run(&["config", "defaults"]);
    assert_eq!(defaults.code, 0);
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("nova.toml");
    std::fs::write(&file, defaults.out).unwrap();
    let checked = run(&["check-config", "--config", file.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{checked:?}");
}

#[test]
fn the_effective_configuration_has_origins_and_hides_secrets() {
    let secret = "a-secret-of-more-than-32-characters-1234";
    let show = |args: &[&str]| {
        let output = nova(args)
            .env("NOVA__SECRETS__CURSOR_KEY", secret)
            .env("NOVA__ROOMS__HEARTBEAT", "9s")
            .output()
            .unwrap();
        done(output)
    };
    let text = show(&["config", "show"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.out.contains("rooms.heartbeat = \"9s\"") && text.out.contains("# NOVA__ROOMS__HEARTBEAT"));
    let json: serde_json::Value = serde_json::from_str(&show(&["config", "show", "--json"]).out).unwrap();
    assert_eq!(json["rooms.heartbeat"]["value"], "9s");
    assert_eq!(json["rooms.heartbeat"]["origin"], "NOVA__ROOMS__HEARTBEAT");
    assert_eq!(json["http.max_connections"]["origin"], "default");
    assert_eq!(json["secrets.cursor_key"]["value"], "***");
    assert!(!text.out.contains(secret) && !json.to_string().contains(secret));
}

#[test]
fn every_listed_variable_is_accepted() {
    let listed = run(&["config", "env"]);
    assert_eq!(listed.code, 0);
    let variables: Vec<_> = listed
        .out
        .lines()
        .filter(|line| line.starts_with("NOVA__"))
        .map(|line| line.split_once('=').expect("NAME=VALUE"))
        .collect();
    assert!(variables.len() > 40, "{}", listed.out);
    let checked = done(
        nova(&["check-config"])
            .envs(variables.iter().copied())
            .output()
            .unwrap(),
    );
    assert_eq!(checked.code, 0, "{checked:?}");
    let json: serde_json::Value = serde_json::from_str(&run(&["config", "env", "--json"]).out).unwrap();
    assert_eq!(json.as_array().unwrap().len(), variables.len());
}

#[test]
fn a_token_stands_alone_on_standard_output_and_its_key_stays() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let data = data.to_str().unwrap();
    let first = run(&["token", "--user", "ana", "--data-dir", data]);
    assert_eq!((first.code, first.err.as_str()), (0, ""), "{first:?}");
    let token = first.out.strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    assert!(
        token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
        "{token}"
    );
    let key = std::fs::read(temp.path().join("data/signing.key")).unwrap();
    assert_eq!(run(&["token", "--user", "ben", "--data-dir", data]).code, 0);
    assert_eq!(std::fs::read(temp.path().join("data/signing.key")).unwrap(), key);
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
