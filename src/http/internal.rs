//! The internal listener: figures, the tree of actors, health. It has no authentication and belongs on a
//! loopback or private address.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use nova_actors::runtime::tree::{ActorNode, ActorTree};
use serde::Serialize;
use tower::ServiceBuilder;

use super::extract::Query;
use super::health;
use super::middleware::{body, deadline, finish, identify, measure};
use super::problem::{Code, Problem};
use super::state::EdgeState;

#[derive(Clone)]
struct Internal {
    tree: ActorTree,
    metrics: PrometheusHandle,
}

/// Everything on the internal listener.
pub fn internal_router(state: &EdgeState, tree: ActorTree, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/metrics", get(render))
        .route("/internal/actors", get(actors))
        .route("/internal/actors/restart", post(restart))
        .with_state(Internal { tree, metrics })
        .merge(health::router(state.readiness.clone()))
        .fallback(|| async { Problem::not_found() })
        .layer(
            ServiceBuilder::new()
                .layer(from_fn(identify))
                .layer(from_fn(measure))
                .layer(from_fn(finish))
                .layer(from_fn_with_state(state.clone(), body))
                .layer(from_fn_with_state(state.clone(), deadline)),
        )
}

async fn render(State(internal): State<Internal>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, internal.metrics.render()).into_response()
}

#[derive(Serialize)]
struct Actors {
    actors: Vec<ActorNode>,
}

async fn actors(State(internal): State<Internal>) -> Json<Actors> {
    Json(Actors {
        actors: internal.tree.describe().await,
    })
}

/// Ends an actor's current incarnation. Browsers send an `Origin` with every POST: a page that someone at this
/// machine happens to look at must not reach this.
async fn restart(
    State(internal): State<Internal>,
    headers: HeaderMap,
    query: Query,
) -> Result<StatusCode, Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Problem::new(Code::Forbidden, "browsers may not restart actors"));
    }
    let name = query
        .text("name")?
        .ok_or_else(|| Problem::field("name", "the name of an actor"))?;
    if internal.tree.restart(name) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(Code::NotFound, "no running actor has this name"))
    }
}
