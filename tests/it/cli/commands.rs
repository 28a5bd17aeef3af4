//! The commands that start nothing.

use super::{done, nova, run, run_with};

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
fn migrations_are_listed_before_and_after_they_are_applied() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let data = data.to_str().unwrap();
    let states = |args: &[&str]| -> Vec<bool> {
        let done = run(args);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
        let json: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        json.as_array()
            .unwrap()
            .iter()
            .map(|state| state["applied"].as_bool().unwrap())
            .collect()
    };
    let before = states(&["migrate", "--data-dir", data, "--json"]);
    assert!(!before.is_empty() && before.iter().all(|applied| !applied));
    assert!(!std::path::Path::new(data).exists(), "asking creates nothing");
    assert!(
        states(&["migrate", "up", "--data-dir", data, "--json"])
            .iter()
            .all(|applied| *applied)
    );
    let text = run(&["migrate", "status", "--data-dir", data]);
    assert!(
        text.out.lines().all(|line| line.starts_with("applied")),
        "{text:?}"
    );
}

#[test]
fn seeding_twice_seeds_once() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().to_str().unwrap();
    let first = run(&["seed", "--data-dir", data]);
    assert_eq!((first.code, first.err.as_str()), (0, ""), "{first:?}");
    assert!(first.out.contains("live streams"), "{first:?}");
    let second = run(&["seed", "--data-dir", data]);
    assert_eq!((second.code, second.err.as_str()), (0, ""), "{second:?}");
    assert!(second.out.contains("already"), "{second:?}");
}
