//! The positions that consumer groups report.

use nova_actors::{Error, Result};
use sqlx::{Row as _, SqliteConnection};

use super::integer::from_sql;
use crate::adapters::sqlite::Database;

/// A group's next offset in one partition.
#[derive(Debug)]
pub(super) struct GroupPosition {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partition: u16,
    pub(super) next: i64,
}

/// Stores a position. The inner error is the caller's own (`NotFound` for an unknown partition); the outer one
/// ends the transaction.
pub(super) async fn store(
    db: &Database,
    connection: &mut SqliteConnection,
    position: &GroupPosition,
) -> Result<Result<()>> {
    let done = sqlx::query(
        r#"insert into group_offsets ("group", slot, next)
           select ?1, slot, ?4 from partitions where topic = ?2 and partition = ?3
           on conflict ("group", slot) do update set next = excluded.next"#,
    )
    .bind(position.group.as_str())
    .bind(position.topic.as_str())
    .bind(i64::from(position.partition))
    .bind(position.next)
    .execute(connection)
    .await
    .map_err(|e| db.failure(e))?;
    Ok(if done.rows_affected() == 0 {
        Err(Error::not_found("partition"))
    } else {
        Ok(())
    })
}

/// A group's positions in a topic, by partition.
pub(super) async fn load(db: &Database, group: &str, topic: &str) -> Result<Vec<(u16, u64)>> {
    let rows = sqlx::query(
        r#"select p.partition, g.next from partitions p join group_offsets g on g.slot = p.slot
           where p.topic = ?1 and g."group" = ?2 order by p.partition"#,
    )
    .bind(topic)
    .bind(group)
    .fetch_all(db.read())
    .await
    .map_err(|e| db.failure(e))?;
    rows.iter()
        .map(|row| Ok((from_sql(row.get(0))?, from_sql(row.get(1))?)))
        .collect()
}
