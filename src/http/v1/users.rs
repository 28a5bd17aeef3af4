//! People: profiles, their posts, and who follows whom.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use nova_actors::domain::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::shapes::{PostBody, UserBody};
use super::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::http::cursor::PostPosition;
use crate::http::extract::{Id, Member, Query, Trace, Viewer, clamped};
use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// A page of posts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PostPage {
    items: Vec<PostBody>,
    /// Where the next page starts; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The caller
#[utoipa::path(get, operation_id = "get_me", path = "/users/me", tag = "users", security(("bearer" = [])),
    responses((status = 200, description = "The caller's profile", body = UserBody)))]
pub(super) async fn me(
    State(state): State<EdgeState>,
    Member(user): Member,
) -> Result<Json<UserBody>, Problem> {
    Ok(Json(state.users.profile(user.id).await?.into()))
}

/// A person
#[utoipa::path(get, operation_id = "get_user", path = "/users/{id}", tag = "users",
    params(("id" = uuid::Uuid, Path, description = "The person")),
    responses(
        (status = 200, description = "The profile", body = UserBody),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn get(
    State(state): State<EdgeState>,
    _viewer: Viewer,
    Id(id): Id<UserId>,
) -> Result<Json<UserBody>, Problem> {
    Ok(Json(state.users.profile(id).await?.into()))
}

/// A person's posts
///
/// Newest first.
#[utoipa::path(get, operation_id = "list_user_posts", path = "/users/{id}/posts", tag = "users",
    params(
        ("id" = uuid::Uuid, Path, description = "The person"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 when absent; brought into range"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = PostPage),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn posts(
    State(state): State<EdgeState>,
    viewer: Viewer,
    Id(author): Id<UserId>,
    query: Query,
) -> Result<Json<PostPage>, Problem> {
    let limit = clamped(query.number("limit")?, DEFAULT_LIMIT, 1, MAX_LIMIT);
    let after = query
        .text("cursor")?
        .map(|cursor| PostPosition::decode(cursor, &state.cursor_key, author))
        .transpose()?
        .map(|last| (last.created_at, last.id));
    // One more than asked for tells whether there is a next page.
    let mut views = state
        .social
        .posts_by(author, viewer.id(), after, limit + 1)
        .await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = views.len() > wanted;
    views.truncate(wanted);
    let next_cursor = views.last().filter(|_| more).map(|view| {
        let last = PostPosition {
            created_at: view.post.created_at,
            id: view.post.id,
        };
        last.encode(&state.cursor_key, author)
    });
    Ok(Json(PostPage {
        items: views.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// Follow a person
#[utoipa::path(put, operation_id = "follow_user", path = "/users/{id}/follow", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The person")),
    responses(
        (status = 204, description = "Followed"),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn follow(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<UserId>,
    trace: Trace,
) -> Result<StatusCode, Problem> {
    state
        .social
        .set_follow(user.id, id, true, trace.context())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Follow a person no longer
#[utoipa::path(delete, operation_id = "unfollow_user", path = "/users/{id}/follow", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The person")),
    responses(
        (status = 204, description = "Not followed"),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn unfollow(
    State(state): State<EdgeState>,
    Member(user): Member,
    Id(id): Id<UserId>,
    trace: Trace,
) -> Result<StatusCode, Problem> {
    state
        .social
        .set_follow(user.id, id, false, trace.context())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
