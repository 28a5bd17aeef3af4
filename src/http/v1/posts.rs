//! Posts and likes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use nova_actors::domain::{NewPost, PostId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::shapes::PostBody;
use super::{PREFIX, created};
use crate::http::extract::{Id, Member, Trace, ValidJson, Viewer, Write};
use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// A post about to be written.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CreatePost {
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
    )]
    text: String,
    /// An http or https URL.
    #[schema(max_length = 2048, pattern = r"^https?://[A-Za-z0-9][!-~]*$")]
    media_url: Option<String>,
}

/// Write a post
#[utoipa::path(post, operation_id = "create_post", path = "/posts", tag = "posts", request_body = CreatePost, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable for 24 h", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses(
        (status = 201, description = "Written", body = PostBody, headers(
            ("Location" = String, description = "Path of the post"),
            ("Idempotency-Replayed" = String, description = "`true` when this answer was given before"),
        )),
        (status = 409, description = "It cannot be done in this state"),
        (status = 422, description = "The idempotency key was used with another body"),
    ))]
pub(super) async fn create(
    State(state): State<EdgeState>,
    Member(user): Member,
    write: Write,
    body: ValidJson<CreatePost>,
) -> Result<Response, Problem> {
    let new = NewPost::parse(body.value.text, body.value.media_url)?;
    let context = write.context(user.id, "POST /posts", body.fingerprint);
    let written = state.social.create_post(user.id, new, context).await?;
    Ok(created(
        written,
        |view| format!("{PREFIX}/posts/{}", view.post.id),
        PostBody::from,
    ))
}

/// One post
#[utoipa::path(get, operation_id = "get_post", path = "/posts/{id}", tag = "posts",
    params(("id" = uuid::Uuid, Path, description = "The post")),
    responses(
        (status = 200, description = "The post", body = PostBody),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn get(
    State(state): State<EdgeState>,
    viewer: Viewer,
    Id(id): Id<PostId>,
) -> Result<Json<PostBody>, Problem> {
    Ok(Json(state.social.post(id, viewer.id()).await?.into()))
}

/// Delete one's own post
#[utoipa::path(delete, operation_id = "delete_post", path = "/posts/{id}", tag = "posts", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The post")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "It is someone else's"),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn delete(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<PostId>,
    trace: Trace,
) -> Result<StatusCode, Problem> {
    state.social.delete_post(id, user.id, trace.context()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Like a post
#[utoipa::path(put, operation_id = "like_post", path = "/posts/{id}/like", tag = "posts", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The post")),
    responses(
        (status = 204, description = "Liked"),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn like(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<PostId>,
    trace: Trace,
) -> Result<StatusCode, Problem> {
    state.social.set_like(user.id, id, true, trace.context()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Like a post no longer
#[utoipa::path(delete, operation_id = "unlike_post", path = "/posts/{id}/like", tag = "posts", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The post")),
    responses(
        (status = 204, description = "Not liked"),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn unlike(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<PostId>,
    trace: Trace,
) -> Result<StatusCode, Problem> {
    state.social.set_like(user.id, id, false, trace.context()).await?;
    Ok(StatusCode::NO_CONTENT)
}
