//! Live streams: going live, finding them, changing and ending one's own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use nova_actors::domain::validate::Checks;
use nova_actors::domain::{NewStream, StreamId, StreamPatch};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::shapes::{StreamBody, StreamSummaryBody};
use super::{DEFAULT_LIMIT, MAX_LIMIT, PREFIX, created};
use crate::http::extract::{Id, Member, Query, Trace, ValidJson, Viewer, Write, clamped};
use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// A live stream about to start.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StartStream {
    #[schema(
        min_length = 1,
        max_length = 140,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
    )]
    title: String,
    #[schema(max_length = 2000, pattern = r"^[^\u0000]*$")]
    description: Option<String>,
    /// One of the configured categories.
    category: String,
    /// An http or https URL.
    #[schema(max_length = 2048, pattern = r"^https?://[A-Za-z0-9][!-~]*$")]
    thumbnail_url: Option<String>,
}

/// What to change; absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PatchStream {
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 140,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
    )]
    title: Option<String>,
    /// One of the configured categories.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    category: Option<String>,
    /// `null` empties it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 2000, pattern = r"^[^\u0000]*$")]
    description: Option<Option<String>>,
    /// An http or https URL; `null` removes the picture.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 2048, pattern = r"^https?://[A-Za-z0-9][!-~]*$")]
    thumbnail_url: Option<Option<String>>,
}

/// Tells `null` from an absent field: what is there is read as `T`, which may or may not know `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A page of running live streams.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamPage {
    streams: Vec<StreamSummaryBody>,
    /// How many there are on all pages.
    total: u64,
    /// The page, as it was taken.
    page: u32,
    /// The page size, as it was taken.
    limit: u32,
}

/// Running live streams
///
/// Newest first. A page past the end is empty and has the true total.
#[utoipa::path(get, operation_id = "list_streams", path = "/streams", tag = "streams",
    params(
        ("category" = Option<String>, Query, description = "Only this category"),
        ("page" = Option<i64>, Query, description = "From 1; brought into range"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 when absent; brought into range"),
    ),
    responses((status = 200, description = "A page", body = StreamPage)))]
pub(super) async fn list(
    State(state): State<EdgeState>,
    _viewer: Viewer,
    query: Query,
) -> Result<Json<StreamPage>, Problem> {
    let category = query.text("category")?.map(str::to_owned);
    if let Some(category) = &category {
        let mut checks = Checks::new();
        checks.one_of("category", category, &state.settings.categories);
        checks.finish()?;
    }
    let page = clamped(query.number("page")?, 1, 1, u32::MAX);
    let limit = clamped(query.number("limit")?, DEFAULT_LIMIT, 1, MAX_LIMIT);
    let list = state.streams.list(category, page, limit).await?;
    Ok(Json(StreamPage {
        streams: list.items.into_iter().map(Into::into).collect(),
        total: list.total,
        page,
        limit,
    }))
}

/// Go live
///
/// One live stream per person; a second start answers 409 with the running one's id.
#[utoipa::path(post, operation_id = "start_stream", path = "/streams", tag = "streams", request_body = StartStream, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable for 24 h", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses(
        (status = 201, description = "Live", body = StreamBody, headers(
            ("Location" = String, description = "Path of the live stream"),
            ("Idempotency-Replayed" = String, description = "`true` when this answer was given before"),
        )),
        (status = 409, description = "It cannot be done in this state"),
        (status = 422, description = "The idempotency key was used with another body"),
    ))]
pub(super) async fn start(
    State(state): State<EdgeState>,
    Member(user): Member,
    write: Write,
    body: ValidJson<StartStream>,
) -> Result<Response, Problem> {
    let StartStream {
        title,
        description,
        category,
        thumbnail_url,
    } = body.value;
    let categories = &state.settings.categories;
    let new = NewStream::parse(title, description, category, thumbnail_url, categories)?;
    let context = write.context(user.id, "POST /streams", body.fingerprint);
    let written = state.streams.start(user.id, new, context).await?;
    Ok(created(
        written,
        |view| format!("{PREFIX}/streams/{}", view.stream.id),
        StreamBody::from,
    ))
}

/// One live stream, running or ended
#[utoipa::path(get, operation_id = "get_stream", path = "/streams/{id}", tag = "streams",
    params(("id" = uuid::Uuid, Path, description = "The live stream")),
    responses(
        (status = 200, description = "The live stream", body = StreamBody),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn get(
    State(state): State<EdgeState>,
    _viewer: Viewer,
    Id(id): Id<StreamId>,
) -> Result<Json<StreamBody>, Problem> {
    Ok(Json(state.streams.get(id).await?.into()))
}

/// Change one's running live stream
#[utoipa::path(patch, operation_id = "patch_stream", path = "/streams/{id}", tag = "streams", request_body = PatchStream, security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The live stream")),
    responses(
        (status = 200, description = "As changed", body = StreamBody),
        (status = 403, description = "It is someone else's"),
        (status = 404, description = "There is nothing under this id"),
        (status = 409, description = "It cannot be done in this state"),
    ))]
pub(super) async fn patch(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<StreamId>,
    body: ValidJson<PatchStream>,
) -> Result<Json<StreamBody>, Problem> {
    let patch = StreamPatch {
        title: body.value.title,
        description: body.value.description.map(Option::unwrap_or_default),
        category: body.value.category,
        thumbnail_url: body.value.thumbnail_url,
    };
    patch.check(&state.settings.categories)?;
    Ok(Json(state.streams.patch(id, user.id, patch).await?.into()))
}

/// End one's live stream
///
/// A second end gives the same answer.
#[utoipa::path(post, operation_id = "end_stream", path = "/streams/{id}/end", tag = "streams", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The live stream")),
    responses(
        (status = 200, description = "As ended", body = StreamBody),
        (status = 403, description = "It is someone else's"),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn end(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<StreamId>,
    trace: Trace,
) -> Result<Json<StreamBody>, Problem> {
    let view = state.streams.end(id, user.id, trace.context()).await?;
    Ok(Json(view.into()))
}

/// A sign of life of the owner
///
/// Without one for long enough, a live stream is ended as abandoned.
#[utoipa::path(post, operation_id = "heartbeat_stream", path = "/streams/{id}/heartbeat", tag = "streams", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The live stream")),
    responses(
        (status = 204, description = "Noted"),
        (status = 403, description = "It is someone else's"),
        (status = 404, description = "There is nothing under this id"),
        (status = 409, description = "It cannot be done in this state"),
    ))]
pub(super) async fn heartbeat(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<StreamId>,
) -> Result<StatusCode, Problem> {
    state.streams.heartbeat(id, user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
