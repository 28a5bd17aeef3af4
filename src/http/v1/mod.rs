//! The REST API, version 1: each handler extracts, calls one handle and maps the outcome.

mod chat;
mod dev;
mod feed;
mod posts;
mod shapes;
mod streams;
mod users;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use nova_actors::domain::Written;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::EdgeState;

/// Where the API is.
pub(super) const PREFIX: &str = "/api/v1";

/// Page size of cursor lists when none is asked for, and the largest.
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// All routes, relative to [`PREFIX`]; with `dev`, those of development too.
pub(super) fn router(dev: bool) -> OpenApiRouter<EdgeState> {
    let router = OpenApiRouter::new()
        .routes(routes!(streams::list, streams::start))
        .routes(routes!(streams::get, streams::patch))
        .routes(routes!(streams::end))
        .routes(routes!(streams::heartbeat))
        .routes(routes!(chat::history))
        .routes(routes!(posts::create))
        .routes(routes!(posts::get, posts::delete))
        .routes(routes!(posts::like, posts::unlike))
        .routes(routes!(users::me))
        .routes(routes!(users::get))
        .routes(routes!(users::posts))
        .routes(routes!(users::follow, users::unfollow))
        .routes(routes!(feed::page))
        .routes(routes!(feed::explain))
        .routes(routes!(feed::invalidate));
    if dev {
        router.routes(routes!(dev::token))
    } else {
        router
    }
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// 201 with `Location`, the same for a replay, which says so.
fn created<T, B: Serialize>(
    written: Written<T>,
    location: impl FnOnce(&T) -> String,
    body: impl FnOnce(T) -> B,
) -> Response {
    let replayed = matches!(written, Written::Replayed(_));
    let value = written.into_inner();
    let location = http::HeaderValue::from_str(&location(&value));
    let mut response = (StatusCode::CREATED, Json(body(value))).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = location {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
