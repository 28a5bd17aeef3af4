//! The public router: all routes, and what each request passes through.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use nova_actors::{Error, Result};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::middleware::{body, deadline, finish, identify, in_flight, measure, plain_is_acceptable};
use super::openapi::{api, complete};
use super::problem::Problem;
use super::state::{EdgeSettings, EdgeState};
use super::{docs, health};

/// Answers smaller than this gain nothing from compression.
const COMPRESS_ABOVE: u64 = 1_024;
/// How long browsers may remember what another origin is allowed to do.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// Everything on the public listener. `more` are the routes of the page and the sockets; they pass through the
/// same layers.
///
/// # Errors
/// `Internal` when the OpenAPI document cannot be written.
pub fn public_router(state: &EdgeState, more: Router) -> Result<Router> {
    let settings = &state.settings;
    let (routes, document) = api(state.dev_tokens.is_some()).split_for_parts();
    let document = complete(document, &settings.categories);
    let documents = docs::router(&document)
        .map_err(|e| Error::internal("the OpenAPI document cannot be written").with_source(e))?;
    let limited = routes
        .with_state(state.clone())
        .merge(documents)
        .merge(more)
        .fallback(|| async { Problem::not_found() })
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(state.clone(), in_flight))
                .layer(from_fn_with_state(state.clone(), body))
                .layer(from_fn_with_state(state.clone(), deadline)),
        );
    // Health is asked when everything is full, too.
    let router = limited.merge(health::router(state.readiness.clone())).layer(
        ServiceBuilder::new()
            .layer(from_fn(identify))
            .layer(from_fn(measure))
            .option_layer(cors(settings))
            .layer(from_fn(plain_is_acceptable))
            .layer(compression())
            .layer(from_fn(finish)),
    );
    Ok(router)
}

/// Nothing without allowed origins: then no answer says that another origin may read it.
fn cors(settings: &EdgeSettings) -> Option<CorsLayer> {
    if settings.allowed_origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(settings.allowed_origins.iter().cloned()))
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("idempotency-replayed"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(PREFLIGHT_AGE);
    Some(layer)
}

fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(
        SizeAbove::new(COMPRESS_ABOVE)
            .and(NotForContentType::IMAGES)
            .and(NotForContentType::SSE),
    )
}
