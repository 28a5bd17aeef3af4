//! The hot queries read by index, on a hundred thousand rows of everything, whether Postgres plans for the
//! parameters or for any parameters.

use std::collections::BTreeMap;

use nova::adapters::store::postgres::HOT_QUERIES;
use serde_json::Value;
use sqlx::{PgConnection, Row};

use super::PostgresDatabase;
use super::database::run;

/// A relation below this may be scanned: it is a page or a few.
const SMALL: f64 = 2_000.0;

/// A hundred thousand of everything; one stream of a hundred is running, every reader follows a handful.
const WORLD: &str = "
set session_replication_role = replica;
insert into users select md5('u' || n)::uuid, 'user_' || n, 'User', null, '', now()
    from generate_series(1, 100000) n;
insert into user_identities select 'https://id.example.org', 'subject ' || n, md5('u' || n)::uuid, now()
    from generate_series(1, 100000) n;
insert into live_streams
    select md5('s' || n)::uuid, md5('u' || n)::uuid, 'title', '', case n % 7 when 0 then 'art' else 'music' end, null,
        now() - make_interval(secs => n), case when n % 100 <> 0 then now() end,
        case when n % 100 <> 0 then 'ended' end, 'e', 0, 0, 0, now()
    from generate_series(1, 100000) n;
insert into posts
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5('p' || n), 1, 3)
            || '8' || substr(md5('p' || n), 4, 15))::uuid,
        md5('u' || (n % 5000 + 1))::uuid, 'text', null, at, case when n % 50 = 0 then at end
    from (select n, now() - make_interval(secs => n * 50) as at from generate_series(1, 100000) n) numbers;
insert into post_counters select id, 1, 0, created_at from posts;
insert into likes select md5('u' || (row_number() over () % 20000 + 1))::uuid, id, author_id, created_at from posts;
insert into follows select md5('u' || (n / 10 + 1))::uuid, md5('u' || ((n * 7919) % 99991 + 1))::uuid, now()
    from generate_series(1, 100000) n on conflict do nothing;
insert into outbox (event_id, topic, key, value, type, traceparent, schema_version, at)
    select md5('o' || n)::uuid, 'streams', 'k', 'v', 'stream.started', 't', 1, now()
    from generate_series(1, 100000) n;
insert into change_log (event_id, table_name, op, key, traceparent, at)
    select md5('c' || n)::uuid, 'posts', 'c', '{}', 't', now() from generate_series(1, 100000) n;
insert into idempotency_keys
    select md5('u' || n)::uuid, 'POST /streams', 'k', 'f', '{}', now() - make_interval(secs => n)
    from generate_series(1, 100000) n;
set session_replication_role = default;
analyze;
";

/// Parameters of each statement, as SQL. Where one is a sample of ids, `samples` names where it is from.
fn parameters(name: &str, samples: &BTreeMap<&str, String>) -> String {
    let user = "md5('u77')::uuid";
    let post = format!("({}::uuid[])[1]", samples["posts"]);
    match name {
        "users by id" => samples["users"].clone(),
        "user by identity" => "'https://id.example.org', 'subject 77'".to_owned(),
        "profile figures" => user.to_owned(),
        "streams by id" => samples["streams"].clone(),
        "live list" => "20, 0".to_owned(),
        "live list of a category" => "20, 0, 'art'".to_owned(),
        "running streams" => "'00000000-0000-0000-0000-000000000000', 500".to_owned(),
        "posts by id" => samples["posts"].clone(),
        "liked among posts" => format!("{user}, {}", samples["posts"]),
        "posts of an author" => format!("{user}, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 20"),
        "recent posts" => format!("{user}, 200"),
        "posts of followees" => format!("{user}, now() - interval '3 days', 20, 500"),
        "followers" => format!("{user}, '00000000-0000-0000-0000-000000000000', 500"),
        "outbox" | "change log" => "500".to_owned(),
        "forget what was sent" => "array[1, 2, 3], array[4, 5, 6]".to_owned(),
        "oldest debt" => String::new(),
        "expired keys" => "now() - interval '24 hours', 5000".to_owned(),
        "count a like" => format!("{post}, 1, now()"),
        "delete a like" => format!("{user}, {post}"),
        "end a stream" => "md5('s100')::uuid, now(), 'ended', 0, 0, 0".to_owned(),
        "touch a stream" => "md5('s100')::uuid, 0, 0, 0, now()".to_owned(),
        other => panic!("{other} has no parameters here"),
    }
}

/// Every node of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let children = plan["Plans"].as_array().into_iter().flatten();
    std::iter::once(plan).chain(children.flat_map(nodes)).collect()
}

/// Plans of `sql` in one transaction that is undone.
async fn plan(session: &mut PgConnection, mode: &str, sql: &str, parameters: &str) -> Value {
    run(session, &format!("begin; set local plan_cache_mode = {mode}")).await;
    run(session, &format!("prepare hot as {sql}")).await;
    let execute = if parameters.is_empty() {
        "execute hot".to_owned()
    } else {
        format!("execute hot({parameters})")
    };
    if mode == "auto" {
        // Postgres decides at the sixth execution.
        for _ in 0..6 {
            run(session, &execute).await;
        }
    }
    let explain = sqlx::AssertSqlSafe(format!("explain (format json) {execute}"));
    let rows = sqlx::raw_sql(explain).fetch_one(&mut *session).await.unwrap();
    let plan: Value = serde_json::from_str(rows.get_unchecked::<&str, _>(0)).unwrap();
    run(session, "rollback; deallocate hot").await;
    plan
}

#[tokio::test]
async fn no_hot_query_scans_a_big_table() {
    let database = PostgresDatabase::migrated().await;
    let mut session = database.session().await;
    run(&mut session, WORLD).await;
    let sizes: BTreeMap<String, f64> = database
        .rows("select relname::text, reltuples::float8 from pg_class where relkind = 'r'")
        .await
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    for table in [
        "users",
        "live_streams",
        "post_counters",
        "likes",
        "outbox",
        "idempotency_keys",
    ] {
        assert!(sizes[table] > 90_000.0, "{table}");
    }
    let mut samples = BTreeMap::new();
    for (table, sql) in [
        (
            "users",
            "select array_agg(id)::text from (select id from users limit 100) s",
        ),
        (
            "streams",
            "select array_agg(id)::text from (select id from live_streams limit 100) s",
        ),
        (
            "posts",
            "select array_agg(id)::text from (select id from posts order by id desc limit 100) s",
        ),
    ] {
        let list: String = database.rows(sql).await[0].get(0);
        samples.insert(table, format!("'{list}'"));
    }

    let mut scans = Vec::new();
    for (name, sql) in HOT_QUERIES {
        for mode in ["force_custom_plan", "auto"] {
            let plan = plan(&mut session, mode, sql, &parameters(name, &samples)).await;
            for node in nodes(&plan[0]["Plan"]) {
                let table = node["Relation Name"].as_str().unwrap_or_default();
                let scanned = node["Node Type"] == "Seq Scan";
                if scanned && sizes.get(table).is_some_and(|rows| *rows > SMALL) {
                    scans.push(format!("{name} ({mode}) scans {table}: {plan}"));
                }
            }
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}

/// The check above can fail.
#[tokio::test]
async fn a_query_without_an_index_is_noticed() {
    let database = PostgresDatabase::migrated().await;
    let mut session = database.session().await;
    run(&mut session, WORLD).await;
    let sql = "select id from users where display_name = $1";
    let plan = plan(&mut session, "force_custom_plan", sql, "'x'").await;
    let plan = &plan[0]["Plan"];
    assert!(
        nodes(plan).iter().any(|node| node["Node Type"] == "Seq Scan"),
        "{plan}"
    );
}
