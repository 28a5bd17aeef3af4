//! What an operator has to know about the server.

use std::time::Duration;

use nova_actors::Result;
use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::Clock;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::failure::failure;
use super::rows::{self, time};
use crate::adapters::MigrationState;
use crate::adapters::clock::SystemClock;

const SERVER: &str = "select current_setting('server_version') as version,
     current_setting('server_version_num')::int as version_number, current_setting('wal_level') as wal_level,
     current_setting('max_connections')::int as max_connections, clock_timestamp() as at";
/// The captured tables that exist, each with its partitions.
const CAPTURED: &str = "with recursive captured as (
         select to_regclass(name)::oid as id, name as root from unnest($1::text[]) name
         union all
         select i.inhrelid, captured.root from pg_inherits i join captured on i.inhparent = captured.id)
     select c.relname::text as name, c.relreplident::text as identity, captured.root,
         exists (select from pg_publication_tables p
                 where p.pubname = 'nova_cdc' and p.tablename = captured.root) as published
     from captured join pg_class c on c.oid = captured.id order by captured.root, c.relname";
const PUBLICATION: &str =
    "select coalesce((select pubviaroot from pg_publication where pubname = 'nova_cdc'), false) as sound";

/// Facts about the server and the database, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresFacts {
    /// As the server names it, e.g. `15.8 (Debian 15.8-0+deb12u1)`.
    pub version: String,
    /// E.g. 150008 for 15.8; Nova needs 130000.
    pub version_number: u32,
    /// A connector needs `logical`.
    pub wal_level: String,
    /// Most connections of all clients together.
    pub max_connections: u32,
    /// How far the server's clock is from this machine's, whichever is ahead.
    pub clock_difference: Duration,
    /// Whether the publication `nova_cdc` is there and names partitions by their table.
    pub publication: bool,
    /// The captured tables that exist and their partitions.
    pub captured: Vec<CapturedTableFacts>,
    /// Every migration, and whether the database has it.
    pub migrations: Vec<MigrationState>,
}

impl PostgresFacts {
    /// How many migrations the database lacks.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.migrations.iter().filter(|step| !step.applied).count()
    }

    /// Captured tables and partitions whose changes come without the row before.
    pub fn without_full_identity(&self) -> impl Iterator<Item = &str> {
        let lacking = self.captured.iter().filter(|table| !table.full_identity);
        lacking.map(|table| table.name.as_str())
    }
}

/// A captured table or one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedTableFacts {
    /// Its own name.
    pub name: String,
    /// The captured table that it is, or is a part of.
    pub table: String,
    /// Whether its replica identity is FULL.
    pub full_identity: bool,
    /// Whether `nova_cdc` publishes it.
    pub published: bool,
}

impl PostgresStore {
    /// Asks the server for everything that Nova depends on. Changes nothing, and works before the first migration.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer.
    pub async fn inspect(&self) -> Result<PostgresFacts> {
        // The first answer may have waited for a connection; only the second tells the time.
        self.one(sqlx::query(SERVER)).await?;
        let before = SystemClock.now();
        let server = self.one(sqlx::query(SERVER)).await?;
        let half = SystemClock.now().since(before) / 2;
        let tables: Vec<&'static str> = CapturedTable::ALL.into_iter().map(CapturedTable::table).collect();
        let captured = self.all(sqlx::query(CAPTURED).bind(tables)).await?;
        let publication = self.one(sqlx::query(PUBLICATION)).await?;
        let local = before.plus(half);
        let facts = || -> sqlx::Result<PostgresFacts> {
            let at = time(&server, "at")?;
            Ok(PostgresFacts {
                version: server.try_get("version")?,
                version_number: unsigned(&server, "version_number")?,
                wal_level: server.try_get("wal_level")?,
                max_connections: unsigned(&server, "max_connections")?,
                clock_difference: at.since(local).max(local.since(at)),
                publication: publication.try_get("sound")?,
                captured: Vec::new(),
                migrations: Vec::new(),
            })
        };
        Ok(PostgresFacts {
            captured: rows::each(&captured, captured_table)?,
            migrations: self.migrations().await?,
            ..facts().map_err(failure)?
        })
    }
}

fn captured_table(row: &PgRow) -> sqlx::Result<CapturedTableFacts> {
    Ok(CapturedTableFacts {
        name: row.try_get("name")?,
        table: row.try_get("root")?,
        full_identity: row.try_get::<&str, _>("identity")? == "f",
        published: row.try_get("published")?,
    })
}

fn unsigned(row: &PgRow, column: &str) -> sqlx::Result<u32> {
    u32::try_from(row.try_get::<i32, _>(column)?).map_err(|e| rows::unreadable(column, e))
}
