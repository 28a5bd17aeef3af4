//! The schema, step by step. ClickHouse has no transactions over definitions: every statement of a step can be
//! repeated, and a step is recorded after its last one.

use std::fmt::Write as _;

use clickhouse::Row;
use nova_actors::{Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ClickHouseAnalytics;
use super::server::Server;
use crate::adapters::MigrationState;

/// Version, name, statements.
type Step = (i64, &'static str, &'static str);

const DATABASE: &str = "analytics";

const STEPS: &[Step] = &[
    (
        1,
        "captured tables",
        include_str!("../../../../migrations/clickhouse/0001_captured_tables.sql"),
    ),
    (
        2,
        "events",
        include_str!("../../../../migrations/clickhouse/0002_events.sql"),
    ),
    (
        3,
        "interactions",
        include_str!("../../../../migrations/clickhouse/0003_interactions.sql"),
    ),
];

/// Which steps the database has, with the checksum of what was run.
const LEDGER: &str = "create table if not exists schema_migrations (
    version UInt32,
    name String,
    checksum FixedString(64),
    applied_at DateTime64(3, 'UTC') default now64(3, 'UTC')
) engine = ReplacingMergeTree
order by version";

const APPLIED: &str = "select version, any(toString(checksum)) as checksum
from schema_migrations
group by version
order by version";

#[derive(Debug, Row, Deserialize)]
struct Applied {
    version: u32,
    checksum: String,
}

#[derive(Debug, Row, Deserialize)]
struct Count {
    count: u64,
}

impl ClickHouseAnalytics {
    /// Creates the database when it is missing, and brings its tables up to date. Several processes may do so at
    /// the same time.
    ///
    /// # Errors
    /// `Unavailable` when the server is away; `Internal` when it refuses, or when a step that was applied is not
    /// the one of this release.
    pub async fn migrate(&self) -> Result<()> {
        let server = &*self.server;
        server.define(&create_database(server.database()), false).await?;
        server.define(LEDGER, true).await?;
        let applied = applied(server).await?;
        for step in pending(&applied)? {
            for statement in statements(step.2) {
                server.define(&statement, true).await?;
            }
            server.define(&record(step), true).await?;
            tracing::info!(
                version = step.0,
                name = step.1,
                "ClickHouse has a new schema step"
            );
        }
        Ok(())
    }

    /// Which steps the database has. Creates nothing: a database that does not exist has none.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn migrations(&self) -> Result<Vec<MigrationState>> {
        let ledger = "select count() as count from system.tables
                      where database = {database:String} and name = 'schema_migrations'";
        let query = self.server.ask(ledger).param("database", self.server.database());
        let found: Vec<Count> = self.server.rows(query).await?;
        let applied = if found.iter().any(|found| found.count > 0) {
            applied(&self.server).await?
        } else {
            Vec::new()
        };
        pending(&applied)?;
        let state = |&(version, name, _): &Step| MigrationState {
            database: DATABASE,
            version,
            name,
            applied: applied.iter().any(|step| i64::from(step.version) == version),
        };
        Ok(STEPS.iter().map(state).collect())
    }

    /// Everything that [`Self::migrate`] would run on an empty server, for `clickhouse-client --multiquery`.
    #[must_use]
    pub fn print_migrations(&self) -> String {
        let database = self.server.database();
        let mut text = format!("{};\nuse {database};\n\n{LEDGER};\n", create_database(database));
        for step in STEPS {
            // Writing to a String cannot fail.
            let _ok = writeln!(
                text,
                "\n-- {:04} {}\n{}\n{};",
                step.0,
                step.1,
                step.2.trim(),
                record(step)
            );
        }
        text
    }
}

fn create_database(name: &str) -> String {
    format!("create database if not exists {name}")
}

fn record(step: &Step) -> String {
    let (version, name, sql) = step;
    let checksum = checksum(sql);
    format!(
        "insert into schema_migrations (version, name, checksum) values ({version}, '{name}', '{checksum}')"
    )
}

async fn applied(server: &Server) -> Result<Vec<Applied>> {
    let query = server.read("migrations", APPLIED);
    server.rows(query).await
}

/// Steps that are not applied yet, when those that are are the ones of this release.
fn pending(applied: &[Applied]) -> Result<Vec<&'static Step>> {
    let mut pending = Vec::new();
    for step in STEPS {
        match applied
            .iter()
            .find(|applied| i64::from(applied.version) == step.0)
        {
            None => pending.push(step),
            Some(applied) if applied.checksum == checksum(step.2) => {}
            Some(_) => {
                return Err(Error::internal(format!(
                    "schema step {} of ClickHouse is not the one of this release: it was edited after it was applied",
                    step.0
                )));
            }
        }
    }
    Ok(pending)
}

fn checksum(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.as_bytes()))
}

/// A statement ends with a semicolon at the end of a line; lines that are comments are left out.
fn statements(sql: &str) -> Vec<String> {
    sql.split(";\n")
        .map(|statement| {
            let lines = statement
                .lines()
                .filter(|line| !line.trim_start().starts_with("--"));
            lines.collect::<Vec<_>>().join("\n").trim().to_owned()
        })
        .filter(|statement| !statement.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_found_and_can_be_repeated() {
        let all: Vec<String> = STEPS.iter().flat_map(|step| statements(step.2)).collect();
        let begun = |sql: &str| sql.lines().filter(|line| line.starts_with("create ")).count();
        assert_eq!(all.len(), STEPS.iter().map(|step| begun(step.2)).sum::<usize>());
        for statement in all {
            assert!(statement.starts_with("create "), "{statement}");
            assert!(statement.contains("if not exists"), "{statement}");
            assert!(!statement.contains("--"), "{statement}");
        }
    }

    #[test]
    fn every_target_of_a_token_remembers_ten_thousand() {
        for (_, _, sql) in STEPS {
            for statement in statements(sql)
                .iter()
                .filter(|sql| sql.starts_with("create table"))
            {
                assert!(
                    statement.contains("non_replicated_deduplication_window = 10000"),
                    "{statement}"
                );
            }
        }
    }

    #[test]
    fn a_step_that_was_edited_is_refused() {
        let applied = |checksum: String| [Applied { version: 1, checksum }];
        assert_eq!(
            pending(&applied(checksum(STEPS[0].2))).unwrap().len(),
            STEPS.len() - 1
        );
        let error = pending(&applied("0".repeat(64))).unwrap_err();
        assert!(error.message().contains("step 1"), "{error}");
    }
}
