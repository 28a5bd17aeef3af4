//! A database of its own on the server of the tests.

use std::sync::Arc;
use std::thread;

use clickhouse::{Client, Compression};
use nova::adapters::analytics::clickhouse::{ClickHouseAnalytics, ClickHouseOptions};
use nova_actors::ports::ledger::PipelineLedger;
use nova_actors::testing::MemoryLedger;
use uuid::Uuid;

use super::super::Backend;
use crate::harness::services;

/// A database that goes when the test ends, and the ledger of its pipelines.
pub(crate) struct ClickHouseDatabase {
    name: String,
    pub(super) ledger: Arc<MemoryLedger>,
}

impl ClickHouseDatabase {
    /// A name; the database is made by the migrations.
    pub(super) fn new() -> Self {
        Self {
            name: format!("nova_test_{}", Uuid::now_v7().simple()),
            ledger: Arc::default(),
        }
    }

    /// The server's address, `host:port`.
    pub(super) fn address() -> String {
        let url = services::clickhouse();
        let rest = url.split_once("://").unwrap().1;
        rest.split(['/', '?']).next().unwrap().to_owned()
    }

    /// Analytics on this database through `address`.
    pub(super) fn through(&self, address: &str, ledger: Arc<dyn PipelineLedger>) -> ClickHouseAnalytics {
        // The engine of the tests takes no compressed bodies.
        let url = format!("clickhouse://{address}/{}?compression=none", self.name);
        ClickHouseAnalytics::connect(&ClickHouseOptions { url }, ledger).unwrap()
    }

    /// Analytics on this database.
    pub(super) fn connect(&self, ledger: Arc<dyn PipelineLedger>) -> ClickHouseAnalytics {
        self.through(&Self::address(), ledger)
    }

    /// Runs a statement in the database; the answer's lines of tab-separated text.
    pub(super) async fn sql(&self, sql: &str) -> Vec<String> {
        let client = client(&Self::address()).with_database(&self.name);
        let mut answer = client.query_raw(sql).fetch_bytes("TabSeparated").unwrap();
        let bytes = answer.collect().await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Rows in every table of what a batch writes, all states of a key counted.
    pub(super) async fn counts(&self) -> Vec<String> {
        let tables = [
            "posts_cdc",
            "follows_cdc",
            "likes_cdc",
            "comments_cdc",
            "post_counters_cdc",
            "user_author_90d",
            "post_interactions_1h",
        ];
        let counts = tables.map(|table| format!("select '{table}' as t, count() as n from {table}"));
        self.sql(&format!(
            "select * from ({}) order by t",
            counts.join(" union all ")
        ))
        .await
    }
}

impl Backend for ClickHouseDatabase {
    type Analytics = ClickHouseAnalytics;

    async fn fresh() -> Self {
        Self::new()
    }

    async fn open(&self) -> ClickHouseAnalytics {
        let analytics = self.connect(self.ledger.clone());
        analytics.migrate().await.unwrap();
        analytics
    }

    async fn close(analytics: &ClickHouseAnalytics) {
        analytics.close();
    }
}

impl Drop for ClickHouseDatabase {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {}", self.name);
        let gone = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let client = client(&Self::address());
            runtime.unwrap().block_on(client.query_raw(&sql).execute())
        });
        if let Ok(Err(error)) = gone.join() {
            eprintln!("{} is left on the server: {error}", self.name);
        }
    }
}

fn client(address: &str) -> Client {
    Client::default()
        .with_url(format!("http://{address}"))
        .with_compression(Compression::None)
}
