//! Live streams.

use std::collections::HashMap;

use async_trait::async_trait;
use nova_actors::domain::{
    EndedReason, LivePage, LiveStream, NewStream, StreamId, StreamPatch, Timestamp, UserId, ViewerTotals,
    WriteContext, Written,
};
use nova_actors::ports::store::StreamStore;
use nova_actors::{Error, Kind, Result};
use sqlx::Row;
use uuid::Uuid;

use super::SqliteStore;
use super::rows::{self, number, signed, stream_columns};
use super::write::Write;
use crate::adapters::store::images;

/// The index of running streams decides whether the creator may start another one.
const INSERT: &str = concat!(
    "insert into live_streams (",
    stream_columns!(),
    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, null, null, ?8, 0, 0, 0, ?7)
     on conflict (creator_id) where ended_at is null do nothing"
);
const BY_ID: &str = concat!("select ", stream_columns!(), " from live_streams where id = ?1");
const STREAMS: &str = concat!(
    "select ",
    stream_columns!(),
    " from live_streams where id in (select unhex(value) from json_each(?1))"
);
/// Most viewers and different people never become fewer, whoever reports them.
const END: &str = concat!(
    "update live_streams set ended_at = ?2, ended_reason = ?3, viewers = ?4,
         peak_viewers = max(peak_viewers, ?5), unique_viewers = max(unique_viewers, ?6)
     where id = ?1 returning ",
    stream_columns!()
);
const TOUCH: &str = "update live_streams set viewers = ?2, peak_viewers = max(peak_viewers, ?3),
         unique_viewers = max(unique_viewers, ?4), owner_seen_at = max(owner_seen_at, coalesce(?5, owner_seen_at))
     where id = ?1 and ended_at is null";
const PATCH: &str = concat!(
    "update live_streams set title = coalesce(?2, title), description = coalesce(?3, description),
         category = coalesce(?4, category), thumbnail_url = case when ?5 then ?6 else thumbnail_url end,
         owner_seen_at = max(owner_seen_at, ?7)
     where id = ?1 and ended_at is null returning ",
    stream_columns!()
);

/// The page and the total in one statement: the total is the left side, so it is there on an empty page too.
macro_rules! live_page {
    ($matching:literal) => {
        concat!(
            "select matching.total, page.* from (select count(*) as total from live_streams where ",
            $matching,
            ") matching left join (select ",
            stream_columns!(),
            " from live_streams where ",
            $matching,
            " order by started_at desc, id desc limit ?1 offset ?2) page on true
             order by page.started_at desc, page.id desc"
        )
    };
}
pub(super) const LIVE: &str = live_page!("ended_at is null");
pub(super) const LIVE_OF_CATEGORY: &str = live_page!("ended_at is null and category = ?3");

#[async_trait]
impl StreamStore for SqliteStore {
    async fn start(
        &self,
        creator: UserId,
        new: &NewStream,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>> {
        let mut write = self.begin().await?;
        if let Some(answer) = write.answered(ctx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        let stream = fresh(creator, new, now);
        insert(&mut write, &stream).await?;
        write
            .owe(images::stream_started(&stream, &ctx.traceparent)?)
            .await?;
        write.finish(ctx, now, &stream).await?;
        Ok(Written::Fresh(stream))
    }

    async fn end(
        &self,
        id: StreamId,
        reason: EndedReason,
        totals: ViewerTotals,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>> {
        let mut write = self.begin().await?;
        if let Some(answer) = write.answered(ctx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        let stream = find(&mut write, id).await?;
        if !stream.is_live() {
            write.finish(ctx, now, &stream).await?;
            return Ok(Written::Replayed(stream));
        }
        let row = sqlx::query(END)
            .bind(id.uuid())
            .bind(now.millis())
            .bind(reason.as_str())
            .bind(signed(totals.viewers))
            .bind(signed(totals.peak))
            .bind(signed(totals.unique))
            .fetch_one(write.statement())
            .await
            .map_err(|e| self.failure(e))?;
        let stream = rows::stream(&row).map_err(|e| self.failure(e))?;
        write
            .owe(images::stream_ended(&stream, reason, now, &ctx.traceparent)?)
            .await?;
        write.finish(ctx, now, &stream).await?;
        Ok(Written::Fresh(stream))
    }

    async fn patch(&self, id: StreamId, patch: &StreamPatch, now: Timestamp) -> Result<LiveStream> {
        let mut write = self.begin().await?;
        let row = sqlx::query(PATCH)
            .bind(id.uuid())
            .bind(patch.title.clone())
            .bind(patch.description.clone())
            .bind(patch.category.clone())
            .bind(patch.thumbnail_url.is_some())
            .bind(patch.thumbnail_url.clone().flatten())
            .bind(now.millis())
            .fetch_optional(write.statement())
            .await
            .map_err(|e| self.failure(e))?;
        let Some(row) = row else {
            find(&mut write, id).await?;
            return Err(Error::new(Kind::StreamEnded, "the live stream has ended"));
        };
        let stream = rows::stream(&row).map_err(|e| self.failure(e))?;
        write.commit().await?;
        Ok(stream)
    }

    async fn touch(
        &self,
        id: StreamId,
        totals: ViewerTotals,
        owner_seen_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut write = self.begin().await?;
        sqlx::query(TOUCH)
            .bind(id.uuid())
            .bind(signed(totals.viewers))
            .bind(signed(totals.peak))
            .bind(signed(totals.unique))
            .bind(owner_seen_at.map(Timestamp::millis))
            .execute(write.statement())
            .await
            .map_err(|e| self.failure(e))?;
        write.commit().await
    }

    async fn streams(&self, ids: &[StreamId]) -> Result<HashMap<StreamId, LiveStream>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = sqlx::query(STREAMS)
            .bind(rows::id_list(ids.iter().map(|id| id.uuid())))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(|row| rows::stream(row).map(|stream| (stream.id, stream)))
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    async fn live(&self, category: Option<&str>, page: u32, limit: u32) -> Result<LivePage> {
        let before = i64::from(page.saturating_sub(1)).saturating_mul(i64::from(limit));
        let query = sqlx::query(if category.is_some() {
            LIVE_OF_CATEGORY
        } else {
            LIVE
        })
        .bind(i64::from(limit))
        .bind(before);
        let query = match category {
            Some(category) => query.bind(category.to_owned()),
            None => query,
        };
        let rows = query
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        live_page(&rows).map_err(|e| self.failure(e))
    }
}

fn fresh(creator: UserId, new: &NewStream, now: Timestamp) -> LiveStream {
    LiveStream {
        id: StreamId::new(),
        creator_id: creator,
        title: new.title.clone(),
        description: new.description.clone(),
        category: new.category.clone(),
        thumbnail_url: new.thumbnail_url.clone(),
        started_at: now,
        ended_at: None,
        ended_reason: None,
        epoch: format!("{:016x}", rand::random::<u64>()),
        viewers: 0,
        peak_viewers: 0,
        unique_viewers: 0,
        owner_seen_at: now,
    }
}

async fn insert(write: &mut Write<'_>, stream: &LiveStream) -> Result<()> {
    let inserted = sqlx::query(INSERT)
        .bind(stream.id.uuid())
        .bind(stream.creator_id.uuid())
        .bind(stream.title.clone())
        .bind(stream.description.clone())
        .bind(stream.category.clone())
        .bind(stream.thumbnail_url.clone())
        .bind(stream.started_at.millis())
        .bind(stream.epoch.clone())
        .execute(write.statement())
        .await
        .map_err(|e| write.failure(e))?;
    if inserted.rows_affected() == 1 {
        return Ok(());
    }
    let running: Uuid =
        sqlx::query_scalar("select id from live_streams where creator_id = ?1 and ended_at is null")
            .bind(stream.creator_id.uuid())
            .fetch_one(write.statement())
            .await
            .map_err(|e| write.failure(e))?;
    Err(Error::new(
        Kind::AlreadyLive(StreamId::from_uuid(running)),
        "this creator already has a running live stream",
    ))
}

async fn find(write: &mut Write<'_>, id: StreamId) -> Result<LiveStream> {
    let row = sqlx::query(BY_ID)
        .bind(id.uuid())
        .fetch_optional(write.statement())
        .await
        .map_err(|e| write.failure(e))?
        .ok_or_else(|| Error::not_found("live stream"))?;
    rows::stream(&row).map_err(|e| write.failure(e))
}

/// Every row has the total; the row of an empty page has nothing else.
fn live_page(rows: &[sqlx::sqlite::SqliteRow]) -> sqlx::Result<LivePage> {
    let total = rows.first().map_or(Ok(0), |row| number(row, "total"))?;
    let mut streams = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            streams.push(rows::stream(row)?);
        }
    }
    Ok(LivePage { streams, total })
}
