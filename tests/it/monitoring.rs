//! Dashboards and alerts ask for what a running Nova has.

mod selector;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Home, Launch, Nova, PATIENCE, eventually};
use selector::{Selector, selectors};

/// What Prometheus adds by itself.
const PROMETHEUS_OWN: [&str; 1] = ["up"];

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring")
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(monitoring().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no {ending} files in {folder}");
    found
}

/// Every query of every panel, with the panel's title.
fn panel_queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for file in files("dashboards", "json") {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            assert!(
                panel["type"] == "row" || !targets.is_empty(),
                "{title} asks nothing"
            );
            for target in targets {
                let query = target["expr"].as_str().unwrap();
                queries.push((title.to_owned(), query.to_owned()));
            }
        }
    }
    queries
}

/// The text of the rules, without comments and without what is said about the alerts.
fn rule_queries() -> Vec<(String, String)> {
    files("rules", "yml").iter().map(|file| rule_text(file)).collect()
}

fn rule_text(file: &Path) -> (String, String) {
    let text = fs::read_to_string(file).unwrap();
    let mut inside = false;
    let mut query = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let key = trimmed.split(':').next().unwrap_or_default();
        if key == "expr" {
            inside = true;
            query.push_str(trimmed.trim_start_matches("expr:").trim_start_matches([' ', '>']));
        } else if matches!(key, "for" | "labels" | "annotations" | "- alert") {
            inside = false;
        } else if inside {
            query.push_str(trimmed);
        }
        query.push('\n');
    }
    (file.display().to_string(), query)
}

fn missing(
    queries: &[(String, String)],
    series: &[&str],
    fits: impl Fn(&Selector, &str) -> bool,
) -> Vec<String> {
    let mut missing = Vec::new();
    let mut asked = 0;
    for (place, query) in queries {
        for selector in selectors(query) {
            asked += 1;
            let own = PROMETHEUS_OWN.contains(&selector.name.as_str());
            if !own && !series.iter().any(|series| fits(&selector, series)) {
                missing.push(format!("{place}: {selector:?}"));
            }
        }
    }
    assert!(
        asked >= queries.len(),
        "{asked} selectors in {} queries",
        queries.len()
    );
    missing
}

#[tokio::test]
async fn every_panel_and_every_alert_finds_its_series_in_the_demo_world() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::seeded()).await;
    // Feeds are counted when somebody reads one, as a visitor of the page does.
    let reader = nova.person("monitoring").await;
    reader.get("/feed").send().await.ok(200);
    let (panels, rules) = (panel_queries(), rule_queries());
    assert!(!panels.is_empty() && !rules.is_empty());

    eventually("what panels and alerts ask for", PATIENCE, async || {
        let samples = nova.metrics().await;
        let series: Vec<&str> = samples.series().map(|(series, _)| series).collect();
        let mut missing_now = missing(&panels, &series, Selector::matches);
        // What an alert is about does not happen here: its metrics exist, and so do the labels that it looks at.
        missing_now.extend(missing(&rules, &series, Selector::names));
        if missing_now.is_empty() {
            Ok(())
        } else {
            Err(missing_now.join("\n"))
        }
    })
    .await;
}
