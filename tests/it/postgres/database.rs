//! A database of its own on the server of the tests, and ways to look into it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nova::adapters::store::postgres::{PostgresOptions, PostgresStore};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

use crate::harness::services;

/// Held while the template is looked for or made: "template" in ASCII.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A database that goes when the test ends. Databases of tests that were killed go when the next ones start.
pub(crate) struct PostgresDatabase {
    name: String,
}

impl PostgresDatabase {
    /// A copy of the migrated template.
    pub(crate) async fn migrated() -> Self {
        Self::copy_of(template().await).await
    }

    /// A database without a table.
    pub(crate) async fn empty() -> Self {
        template().await;
        Self::copy_of("template0").await
    }

    async fn copy_of(template: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("nova_of_{}_{number}", std::process::id());
        let mut server = session(&services::postgres()).await;
        run(
            &mut server,
            &format!("create database {name} template {template}"),
        )
        .await;
        server.close().await.unwrap();
        Self { name }
    }

    /// Its URL, as Nova's configuration takes it.
    pub(crate) fn url(&self) -> String {
        of_server(&self.name)
    }

    /// Patient settings: the machine is busy.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions {
            url: self.url(),
            max_connections: 8,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) async fn store(&self) -> PostgresStore {
        PostgresStore::connect(&self.options()).await.unwrap()
    }

    /// A session beside the store's.
    pub(crate) async fn session(&self) -> PgConnection {
        session(&self.url()).await
    }

    /// Runs statements of the test in a session of their own.
    pub(crate) async fn run(&self, sql: &str) {
        run(&mut self.session().await, sql).await;
    }

    /// The rows of one query.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<PgRow> {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        query.fetch_all(&mut self.session().await).await.unwrap()
    }

    /// The first column of the only row.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].get(0)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        let gone = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut server = PgConnection::connect(&services::postgres()).await?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut server).await?;
                server.close().await
            })
        });
        if let Ok(Err(error)) = gone.join() {
            eprintln!("{} is left on the server: {error}", self.name);
        }
    }
}

pub(crate) async fn session(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

pub(crate) async fn run(session: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn of_server(database: &str) -> String {
    let server = PgConnectOptions::from_str(&services::postgres()).unwrap();
    let (user, host, port) = (server.get_username(), server.get_host(), server.get_port());
    format!("postgres://{user}@{host}:{port}/{database}")
}

/// Name of the database that has every migration, made by the first test that needs it.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE.get_or_init(make_template).await
}

async fn make_template() -> String {
    let name = format!("nova_template_{:016x}", fingerprint());
    let mut server = session(&services::postgres()).await;
    run(&mut server, &format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let known = sqlx::query_scalar("select datname::text from pg_database where datname like 'nova\\_%'");
    let known: Vec<String> = known.fetch_all(&mut server).await.unwrap();
    for database in known.iter().filter(|name| is_left_over(name)) {
        run(
            &mut server,
            &format!("drop database if exists {database} with (force)"),
        )
        .await;
    }
    if !known.contains(&name) {
        let draft = format!("{name}_draft");
        run(
            &mut server,
            &format!("drop database if exists {draft} with (force)"),
        )
        .await;
        run(&mut server, &format!("create database {draft}")).await;
        let draft_of = PostgresDatabase { name: draft.clone() };
        let store = draft_of.store().await;
        store.migrate().await.unwrap();
        store.close().await;
        std::mem::forget(draft_of);
        run(&mut server, &format!("alter database {draft} rename to {name}")).await;
    }
    server.close().await.unwrap();
    name
}

/// Whether the process that made the database is gone.
fn is_left_over(database: &str) -> bool {
    let process = database
        .strip_prefix("nova_of_")
        .and_then(|rest| rest.split_once('_'));
    process.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists())
}

/// Changes with every migration.
fn fingerprint() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}
