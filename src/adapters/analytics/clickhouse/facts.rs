//! What `nova doctor` says about a server.

use clickhouse::Row;
use nova_actors::Result;
use nova_actors::ports::Clock;
use serde::Deserialize;

use super::ClickHouseAnalytics;
use crate::adapters::MigrationState;
use crate::adapters::clock::SystemClock;

/// Name, engine without its prefix for replication, sorting key.
type Expected = (&'static str, &'static str, &'static str);

const TABLES: &[Expected] = &[
    ("posts_cdc", "ReplacingMergeTree", "author_id, created_at, id"),
    ("follows_cdc", "ReplacingMergeTree", "follower_id, followee_id"),
    ("likes_cdc", "ReplacingMergeTree", "post_id, user_id"),
    ("comments_cdc", "ReplacingMergeTree", "post_id, id"),
    ("post_counters_cdc", "ReplacingMergeTree", "post_id"),
    ("events", "ReplacingMergeTree", "post_id, type, event_id"),
    ("post_metrics_1h", "AggregatingMergeTree", "hour, post_id"),
    ("post_impressions", "AggregatingMergeTree", "post_id"),
    (
        "user_author_90d",
        "ReplacingMergeTree",
        "user_id, author_id, kind, ref_id",
    ),
    (
        "post_interactions_1h",
        "ReplacingMergeTree",
        "hour, post_id, kind, ref_id",
    ),
    ("trending", "ReplacingMergeTree", "win, rank"),
    ("mv_post_metrics_1h", "MaterializedView", ""),
    ("mv_post_impressions", "MaterializedView", ""),
    ("mv_user_author_90d_likes", "MaterializedView", ""),
    ("mv_user_author_90d_comments", "MaterializedView", ""),
    ("mv_user_author_90d_shares", "MaterializedView", ""),
    ("mv_post_interactions_1h_likes", "MaterializedView", ""),
    ("mv_post_interactions_1h_comments", "MaterializedView", ""),
];
/// A table that forgets tokens sooner may take rows twice.
const LEAST_WINDOW: u64 = 10_000;

/// What a server is and has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickHouseFacts {
    /// Of the server.
    pub version: String,
    /// Name of the database.
    pub database: String,
    /// Whether the server has it.
    pub database_exists: bool,
    /// Every migration, and whether the database has it.
    pub migrations: Vec<MigrationState>,
    /// What is not as this release expects it, in words; empty when all is well or nothing is migrated yet.
    pub differences: Vec<String>,
    /// How far the server's clock is ahead of this machine's, in milliseconds; the time of the question is its
    /// uncertainty.
    pub clock_ahead_ms: i64,
}

#[derive(Debug, Row, Deserialize)]
struct About {
    version: String,
    now_ms: i64,
    databases: u64,
}

#[derive(Debug, Row, Deserialize)]
struct Table {
    name: String,
    engine: String,
    sorting_key: String,
    window: String,
}

impl ClickHouseAnalytics {
    /// Asks the server what it is and has. Changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when it is away; `Internal` when it refuses the user, or when a migration was edited.
    pub async fn inspect(&self) -> Result<ClickHouseFacts> {
        let database = self.server.database();
        let asked = SystemClock.now();
        let about = "select version() as version, toUnixTimestamp64Milli(now64(3)) as now_ms,
                            countIf(name = {database:String}) as databases
                     from system.databases";
        let query = self.server.ask(about).param("database", database);
        let about: Vec<About> = self.server.rows(query).await?;
        let answered = SystemClock.now();
        let about = about
            .into_iter()
            .next()
            .ok_or_else(|| nova_actors::Error::internal("ClickHouse said nothing about itself"))?;
        let migrations = self.migrations().await?;
        let differences = if migrations.iter().any(|state| state.applied) {
            differences(&self.tables().await?)
        } else {
            Vec::new()
        };
        Ok(ClickHouseFacts {
            version: about.version,
            database: database.to_owned(),
            database_exists: about.databases > 0,
            migrations,
            differences,
            clock_ahead_ms: about.now_ms - i64::midpoint(asked.millis(), answered.millis()),
        })
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        let tables = "select name, engine, sorting_key,
                             extract(engine_full, 'non_replicated_deduplication_window = ([0-9]+)') as window
                      from system.tables where database = {database:String}";
        let query = self.server.ask(tables).param("database", self.server.database());
        self.server.rows(query).await
    }
}

fn differences(tables: &[Table]) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, engine, key) in TABLES {
        let Some(table) = tables.iter().find(|table| table.name == *name) else {
            differences.push(format!("{name} is missing"));
            continue;
        };
        if !table.engine.ends_with(engine) {
            differences.push(format!(
                "{name} has the engine {} instead of {engine}",
                table.engine
            ));
        }
        if table.sorting_key != *key {
            differences.push(format!(
                "{name} is sorted by ({}) instead of ({key})",
                table.sorting_key
            ));
        }
        // Replicated tables have a window of their own.
        let remembers = table.window.parse().unwrap_or(0_u64);
        if table.engine == *engine && engine.ends_with("MergeTree") && remembers < LEAST_WINDOW {
            differences.push(format!(
                "{name} remembers {remembers} inserts instead of {LEAST_WINDOW} (non_replicated_deduplication_window)"
            ));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, engine: &str, key: &str, window: &str) -> Table {
        Table {
            name: name.to_owned(),
            engine: engine.to_owned(),
            sorting_key: key.to_owned(),
            window: window.to_owned(),
        }
    }

    fn right() -> Vec<Table> {
        TABLES
            .iter()
            .map(|(name, engine, key)| table(name, engine, key, "10000"))
            .collect()
    }

    #[test]
    fn what_is_right_has_no_differences() {
        assert_eq!(differences(&right()), Vec::<String>::new());
    }

    #[test]
    fn a_replicated_table_is_right() {
        let mut tables = right();
        tables[0].engine = "ReplicatedReplacingMergeTree".into();
        tables[0].window = String::new();
        assert_eq!(differences(&tables), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut tables = right();
        tables[0].engine = "MergeTree".into();
        tables[2].sorting_key = "user_id".into();
        tables[3].window = "100".into();
        tables.pop();
        let differences = differences(&tables).join("\n");
        for part in [
            "posts_cdc has the engine MergeTree",
            "likes_cdc is sorted by (user_id)",
            "comments_cdc remembers 100",
            "mv_post_interactions_1h_comments is missing",
        ] {
            assert!(differences.contains(part), "{differences}");
        }
    }
}
