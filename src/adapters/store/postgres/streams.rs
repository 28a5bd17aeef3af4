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
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use super::failure::failure;
use super::rows::{self, number, signed, stream_columns};
use super::time::Time;
use super::write::Write;
use crate::adapters::store::images;

/// A stream that blocks a start may end before it is read; twice in a row is no coincidence.
const STARTS: usize = 3;

/// The index of running streams decides whether the creator may start another one; a start that someone else is
/// just making is waited for.
const INSERT: &str = concat!(
    "insert into live_streams (",
    stream_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, null, null, $8, 0, 0, 0, $7)
     on conflict (creator_id) where ended_at is null do nothing"
);
const RUNNING_OF: &str = "select id from live_streams where creator_id = $1 and ended_at is null";
const BY_ID: &str = concat!("select ", stream_columns!(), " from live_streams where id = $1");
/// Whoever ends a stream first holds it until its event is committed.
const LOCKED: &str = concat!(
    "select ",
    stream_columns!(),
    " from live_streams where id = $1 for no key update"
);
pub(super) const STREAMS: &str = concat!(
    "select ",
    stream_columns!(),
    " from live_streams where id = any($1)"
);
/// Most viewers and different people never become fewer, whoever reports them.
pub(super) const END: &str = concat!(
    "update live_streams set ended_at = $2, ended_reason = $3, viewers = $4,
         peak_viewers = greatest(peak_viewers, $5), unique_viewers = greatest(unique_viewers, $6)
     where id = $1 returning ",
    stream_columns!()
);
pub(super) const TOUCH: &str =
    "update live_streams set viewers = $2, peak_viewers = greatest(peak_viewers, $3),
         unique_viewers = greatest(unique_viewers, $4), owner_seen_at = greatest(owner_seen_at, $5)
     where id = $1 and ended_at is null";
const PATCH: &str = concat!(
    "update live_streams set title = coalesce($2, title), description = coalesce($3, description),
         category = coalesce($4, category), thumbnail_url = case when $5 then $6 else thumbnail_url end,
         owner_seen_at = greatest(owner_seen_at, $7)
     where id = $1 and ended_at is null returning ",
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
            " order by started_at desc, id desc limit $1 offset $2) page on true
             order by page.started_at desc, page.id desc"
        )
    };
}
pub(super) const LIVE: &str = live_page!("ended_at is null");
pub(super) const LIVE_OF_CATEGORY: &str = live_page!("ended_at is null and category = $3");

#[async_trait]
impl StreamStore for PostgresStore {
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
        write.finish(ctx, &stream).await?;
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
        let row = write.optional(sqlx::query(LOCKED).bind(id.uuid())).await?;
        let stream = found(row)?;
        if !stream.is_live() {
            write.finish(ctx, &stream).await?;
            return Ok(Written::Replayed(stream));
        }
        let end = sqlx::query(END)
            .bind(id.uuid())
            .bind(Time(now))
            .bind(reason.as_str())
            .bind(signed(totals.viewers))
            .bind(signed(totals.peak))
            .bind(signed(totals.unique));
        let stream = rows::stream(&write.one(end).await?).map_err(failure)?;
        write
            .owe(images::stream_ended(&stream, reason, now, &ctx.traceparent)?)
            .await?;
        write.finish(ctx, &stream).await?;
        Ok(Written::Fresh(stream))
    }

    async fn patch(&self, id: StreamId, patch: &StreamPatch, now: Timestamp) -> Result<LiveStream> {
        let change = sqlx::query(PATCH)
            .bind(id.uuid())
            .bind(patch.title.clone())
            .bind(patch.description.clone())
            .bind(patch.category.clone())
            .bind(patch.thumbnail_url.is_some())
            .bind(patch.thumbnail_url.clone().flatten())
            .bind(Time(now));
        if let Some(row) = self.optional(change).await? {
            return rows::stream(&row).map_err(failure);
        }
        found(self.optional(sqlx::query(BY_ID).bind(id.uuid())).await?)?;
        Err(Error::new(Kind::StreamEnded, "the live stream has ended"))
    }

    async fn touch(
        &self,
        id: StreamId,
        totals: ViewerTotals,
        owner_seen_at: Option<Timestamp>,
    ) -> Result<()> {
        let touch = sqlx::query(TOUCH)
            .bind(id.uuid())
            .bind(signed(totals.viewers))
            .bind(signed(totals.peak))
            .bind(signed(totals.unique))
            .bind(owner_seen_at.map(Time));
        self.execute(touch).await.map(drop)
    }

    async fn streams(&self, ids: &[StreamId]) -> Result<HashMap<StreamId, LiveStream>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = rows::id_list(ids, StreamId::uuid);
        let found = self.all(sqlx::query(STREAMS).bind(ids)).await?;
        rows::each(&found, |row| rows::stream(row).map(|stream| (stream.id, stream)))
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
        live_page(&self.all(query).await?).map_err(failure)
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
    for _ in 0..STARTS {
        let insert = sqlx::query(INSERT)
            .bind(stream.id.uuid())
            .bind(stream.creator_id.uuid())
            .bind(stream.title.clone())
            .bind(stream.description.clone())
            .bind(stream.category.clone())
            .bind(stream.thumbnail_url.clone())
            .bind(Time(stream.started_at))
            .bind(stream.epoch.clone());
        if write.execute(insert).await? == 1 {
            return Ok(());
        }
        let running = sqlx::query(RUNNING_OF).bind(stream.creator_id.uuid());
        if let Some(row) = write.optional(running).await? {
            let running: Uuid = row.try_get("id").map_err(failure)?;
            return Err(Error::new(
                Kind::AlreadyLive(StreamId::from_uuid(running)),
                "this creator already has a running live stream",
            ));
        }
    }
    Err(Error::unavailable("live stream"))
}

fn found(row: Option<PgRow>) -> Result<LiveStream> {
    let row = row.ok_or_else(|| Error::not_found("live stream"))?;
    rows::stream(&row).map_err(failure)
}

/// Every row has the total; the row of an empty page has nothing else.
fn live_page(rows: &[PgRow]) -> sqlx::Result<LivePage> {
    let total = rows.first().map_or(Ok(0), |row| number(row, "total"))?;
    let mut streams = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            streams.push(rows::stream(row)?);
        }
    }
    Ok(LivePage { streams, total })
}
