//! `check-config` and `config`: everything about the configuration that needs nothing to run.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::args::{ConfigArgs, ConfigCommand, FileArgs};
use super::output::{print, print_json};
use crate::config::{Entry, Layers, Raw, Sources, defaults, is_secret, load, variable_of};
use crate::failure::Failure;

const HIDDEN: &str = "***";

/// Says whether the configuration can be used.
pub(super) fn check(args: FileArgs) -> Result<(), Failure> {
    let name = args
        .config
        .as_ref()
        .map_or_else(|| "the configuration".to_owned(), |f| f.display().to_string());
    load(&Sources::new(args.config))?;
    print(&format!("{name} is valid"))
}

pub(super) fn run(args: ConfigArgs) -> Result<(), Failure> {
    match args.what {
        ConfigCommand::Defaults => print(defaults::TEXT),
        ConfigCommand::Env { json: true } => print_json(&variables_json()),
        ConfigCommand::Env { json: false } => print(&variables()),
        ConfigCommand::Show { file, json } => {
            let layers = load(&Sources::new(file.config))?.layers;
            if json {
                print_json(&effective_json(&layers))
            } else {
                print(&effective(&layers))
            }
        }
    }
}

/// What may be seen of a value: secrets that are set are hidden.
fn shown(key: &str, entry: &Entry) -> Raw {
    match &entry.raw {
        Raw::Word(text) | Raw::Text(text) if is_secret(key) && !text.is_empty() => Raw::Text(HIDDEN.into()),
        raw => raw.redacted(),
    }
}

fn effective(layers: &Layers) -> String {
    let lines: Vec<_> = layers
        .iter()
        .map(|(key, entry)| (format!("{key} = {}", shown(key, entry)), &entry.origin))
        .collect();
    let width = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .filter(|width| *width < 60)
        .max()
        .unwrap_or(0);
    lines.iter().fold(String::new(), |mut text, (line, origin)| {
        // Writing to a String cannot fail.
        let _ok = writeln!(text, "{line:width$}  # {origin}");
        text
    })
}

fn effective_json(layers: &Layers) -> Value {
    let entry = |(key, entry): (&str, &Entry)| {
        let value = json!({"value": shown(key, entry).to_json(), "origin": entry.origin.to_string()});
        (key.to_owned(), value)
    };
    Value::Object(layers.iter().map(entry).collect::<Map<_, _>>())
}

fn variables() -> String {
    defaults::documented()
        .iter()
        .fold(String::new(), |mut text, key| {
            let name = variable_of(&key.key);
            // Writing to a String cannot fail.
            let _ok = writeln!(text, "# {}\n{name}={}\n", key.meaning, key.default.to_word());
            text
        })
}

fn variables_json() -> Value {
    let variable = |key: &defaults::Documented| {
        json!({
            "variable": variable_of(&key.key),
            "key": key.key,
            "default": key.default.to_json(),
            "meaning": key.meaning,
        })
    };
    defaults::documented().iter().map(variable).collect()
}
