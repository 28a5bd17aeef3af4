//! What only Postgres has: plans, partitions, several processes, and a server that can go away.

mod database;

pub(crate) use database::PostgresDatabase;
