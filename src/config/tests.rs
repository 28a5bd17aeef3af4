use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

fn sources(variables: &[(&str, &str)]) -> Sources {
    Sources {
        file: None,
        variables: variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        flags: Vec::new(),
    }
}

fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nova.toml");
    std::fs::write(&path, text).unwrap();
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    (dir, sources)
}

fn problems(sources: &Sources) -> Vec<String> {
    let Err(problems) = load(sources) else {
        panic!("the configuration was accepted")
    };
    problems.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn the_defaults_are_a_valid_configuration() {
    let config = load(&Sources::default()).unwrap().config;
    assert_eq!(config.http.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(config.internal.bind.to_string(), "127.0.0.1:9090");
    assert_eq!(config.streams.abandon_after, Duration::from_secs(600));
    assert_eq!(config.streams.categories.len(), 9);
    assert_eq!(config.drain, Duration::from_secs(30));
    assert_eq!(
        config.data.store.path("d".as_ref()),
        std::path::Path::new("d/store.db")
    );
}

#[test]
fn every_documented_key_is_read_and_typed() {
    // A value that fits no type: each key that is read complains, by its name.
    let nothing = Raw::Other("1979-05-27".into());
    let refused: BTreeSet<String> = defaults::documented().into_iter().map(|d| d.key).collect();
    let text: String = refused
        .iter()
        .map(|key| format!("{key} = 1979-05-27\n"))
        .collect();
    let (_dir, sources) = with_file(&text);
    let complaints = problems(&sources);
    for key in &refused {
        let found = format!("{key}: expected ");
        assert!(
            complaints
                .iter()
                .any(|c| c.contains(&found) && c.ends_with(&format!("found {nothing}"))
                    || c.contains(&found) && is_secret(key)),
            "{key} is documented, and never read"
        );
    }
    assert_eq!(complaints.len(), refused.len());
}

#[test]
fn later_layers_win_and_origins_are_known() {
    let (_dir, mut sources) =
        with_file("[http]\nbind = '127.0.0.1:1'\nmax_connections = 5\n[rooms]\nheartbeat = '3s'\n");
    sources.variables = vec![
        ("NOVA__HTTP__BIND".into(), "127.0.0.1:2".into()),
        ("NOVA__HTTP__MAX_CONNECTIONS".into(), "6".into()),
    ];
    let sources = sources.flag("--bind", "http.bind", Some("127.0.0.1:3"));
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.http.bind.port(), 3);
    assert_eq!(loaded.config.http.max_connections, 6);
    assert_eq!(loaded.config.rooms.heartbeat, Duration::from_secs(3));
    let origin = |key: &str| loaded.layers.get(key).unwrap().origin.to_string();
    assert_eq!(origin("http.bind"), "--bind");
    assert_eq!(origin("http.max_connections"), "NOVA__HTTP__MAX_CONNECTIONS");
    assert!(
        origin("rooms.heartbeat").ends_with("nova.toml:5"),
        "{}",
        origin("rooms.heartbeat")
    );
    assert_eq!(origin("feed.stale"), "default");
}

#[test]
fn an_unknown_key_names_file_line_and_nearest_key() {
    let (dir, sources) =
        with_file("# a comment\n[http]\nbimd = '127.0.0.1:1'\n\n[roomz]\nheartbeat = '3s'\n");
    let file = dir.path().join("nova.toml");
    assert_eq!(
        problems(&sources),
        [
            format!(
                "{}:3: unknown key http.bimd; the nearest is http.bind",
                file.display()
            ),
            format!("{}:5: unknown key roomz; the nearest is rooms", file.display()),
        ]
    );
}

#[test]
fn an_unknown_variable_is_named_with_the_nearest_one() {
    let found = problems(&sources(&[
        ("NOVA__HTTP__BNID", "127.0.0.1:1"),
        ("NOVA__http__bind", "x"),
    ]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found
            .iter()
            .all(|p| p.ends_with("the nearest is NOVA__HTTP__BIND")),
        "{found:?}"
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let (_dir, mut sources) = with_file("nonsense = 1\n[http]\nmax_connections = 'many'\n");
    sources.variables = vec![
        ("NOVA__ROOMS__HEARTBEAT".into(), "soon".into()),
        (
            "NOVA__STORE__URL".into(),
            "postgres://nova:hunter2@db/nova".into(),
        ),
        ("NOVA__NONSENSE".into(), "1".into()),
    ];
    let found = problems(&sources);
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found.iter().all(|p| !p.contains("hunter2")), "{found:?}");
    let heartbeat = "NOVA__ROOMS__HEARTBEAT: rooms.heartbeat: expected a duration such as 90s, 10m or 1h 30m, found \"soon\"";
    assert!(found.iter().any(|p| p == heartbeat), "{found:?}");
}

#[test]
fn text_that_is_not_toml_names_its_line() {
    let (dir, sources) = with_file("[http]\nbind = 127.0.0.1:80\n");
    let found = problems(&sources);
    let start = format!("{}:2: ", dir.path().join("nova.toml").display());
    assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let missing = Sources {
        file: Some("/nonexistent/nova.toml".into()),
        ..Sources::default()
    };
    assert!(problems(&missing)[0].starts_with("/nonexistent/nova.toml: cannot be read"));
}

#[test]
fn a_variable_may_name_a_file_that_holds_the_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    let variables = [("NOVA__SECRETS__CURSOR_KEY_FILE", path.to_str().unwrap())];
    let config = load(&sources(&variables)).unwrap().config;
    assert_eq!(
        config.cursor_key,
        Some(Secret::new("0123456789abcdef0123456789abcdef"))
    );

    let both = [
        variables[0],
        ("NOVA__SECRETS__CURSOR_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    assert_eq!(problems(&sources(&both)).len(), 1);
    let missing = [("NOVA__SECRETS__CURSOR_KEY_FILE", "/nonexistent/key")];
    assert!(problems(&sources(&missing))[0].contains("/nonexistent/key cannot be read"));
}

#[test]
fn an_empty_variable_is_not_set() {
    let config = load(&sources(&[("NOVA__HTTP__BIND", ""), ("NOVA__TYPO", "")]))
        .unwrap()
        .config;
    assert_eq!(config.http.bind.port(), 8080);
}

#[test]
fn a_weak_cursor_key_is_refused_and_not_shown() {
    let found = problems(&sources(&[("NOVA__SECRETS__CURSOR_KEY", "hunter2")]));
    assert!(
        found[0].contains("secrets.cursor_key: expected at least 32 characters"),
        "{found:?}"
    );
    assert!(!found[0].contains("hunter2"), "{found:?}");
}

#[test]
fn combinations_that_cannot_work_are_refused() {
    for (name, value, key) in [
        ("NOVA__INTERNAL__BIND", "0.0.0.0:9090", "internal.bind"),
        ("NOVA__INTERNAL__BIND", "127.0.0.1:8080", "internal.bind"),
        ("NOVA__ROLES", "api,cdc", "roles"),
        ("NOVA__ROLES", "api,cook", "roles"),
        ("NOVA__CDC__SOURCE", "debezium", "cdc.source"),
        ("NOVA__STORE__URL", "sqlite:log.db", "store.url"),
        ("NOVA__AUTH__ALGORITHMS", "RS256", "auth.algorithms"),
        ("NOVA__AUTH__ALGORITHMS", "none", "auth.algorithms"),
        ("NOVA__AUTH__KEYS", "key.pem", "auth.algorithms"),
        ("NOVA__FEED__STALE", "1s", "feed.stale"),
        (
            "NOVA__FEED__ROLLOUT__CHRONO__PERCENT",
            "101",
            "feed.rollout.chrono.percent",
        ),
        ("NOVA__RETRY__CAP_MS", "1", "retry.cap_ms"),
        ("NOVA__STREAMS__CATEGORIES", "a,a", "streams.categories"),
        ("NOVA__SHUTDOWN__DRAIN", "0", "shutdown.drain"),
        (
            "NOVA__HTTP__CORS__ALLOWED_ORIGINS",
            "https://a.example/path",
            "http.cors.allowed_origins",
        ),
        ("NOVA__LOGGING__LEVEL", "nova=loud", "logging.level"),
    ] {
        let found = problems(&sources(&[(name, value)]));
        assert!(
            found.len() == 1 && found[0].contains(&format!("{key}: expected")),
            "{name}={value}: {found:?}"
        );
    }
}

#[test]
fn every_role_by_name_is_the_same_as_all() {
    let roles = [("NOVA__ROLES", "api, pipelines, jobs")];
    assert!(load(&sources(&roles)).is_ok());
}

#[test]
fn a_public_internal_address_is_accepted_when_asked_for() {
    let asked = [
        ("NOVA__INTERNAL__BIND", "0.0.0.0:9090"),
        ("NOVA__INTERNAL__ALLOW_PUBLIC", "true"),
    ];
    assert!(load(&sources(&asked)).is_ok());
}
