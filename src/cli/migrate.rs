//! `nova migrate`: the schemas of the embedded databases.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{DataArgs, MigrateArgs, MigrateCommand};
use super::{configure, on_runtime, output};
use crate::adapters::MigrationState;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::embedded;
use crate::failure::Failure;

pub(super) fn run(args: MigrateArgs) -> Result<(), Failure> {
    let data = DataArgs {
        data_dir: args.data_dir,
    };
    let config = configure(&data)?;
    if args.what == Some(MigrateCommand::Up) {
        up(&config)?;
    }
    let states = on_runtime(embedded::migrations(&config))?;
    if args.json {
        output::print_json(&as_json(&states))
    } else {
        output::print(&as_text(&states))
    }
}

fn up(config: &Config) -> Result<(), Failure> {
    let data = DataDir::open(&config.data.dir)?;
    let _lock = data.lock()?;
    on_runtime(embedded::migrate(config))
}

fn as_text(states: &[MigrationState]) -> String {
    states.iter().fold(String::new(), |mut text, state| {
        let applied = if state.applied { "applied" } else { "pending" };
        // Writing to a String cannot fail.
        let _ok = writeln!(
            text,
            "{applied}  {:04}  {}: {}",
            state.version, state.database, state.name
        );
        text
    })
}

fn as_json(states: &[MigrationState]) -> serde_json::Value {
    let state = |state: &MigrationState| {
        json!({
            "database": state.database,
            "version": state.version,
            "name": state.name,
            "applied": state.applied,
        })
    };
    states.iter().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_told_from_what_is_applied() {
        let state = |version: i64, applied: bool| MigrationState {
            database: "store",
            version,
            name: "people",
            applied,
        };
        let states = [state(1, true), state(2, false)];
        assert_eq!(
            as_text(&states),
            "applied  0001  store: people\npending  0002  store: people\n"
        );
        assert_eq!(as_json(&states)[1]["applied"], false);
    }
}
