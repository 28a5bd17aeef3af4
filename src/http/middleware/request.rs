//! Identity of a request: its id, its trace, its span, and the figures it leaves behind.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use nova_actors::domain::TraceParent;
use nova_actors::runtime::metrics::{HTTP_DURATION, HTTP_REQUESTS};
use tracing::Instrument;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest id taken over from a caller.
const MAX_ID: usize = 128;
/// Route label of everything that matches no route: a raw path would be a label without bound.
const UNMATCHED: &str = "unmatched";

/// Id of the request, the caller's or a new one.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// Trace that the request belongs to, the caller's or a new one.
#[derive(Debug, Clone)]
pub(in crate::http) struct TraceContext(pub(in crate::http) TraceParent);

/// Gives the request its id, trace and span, and hides its secrets from whoever prints headers.
pub(in crate::http) async fn identify(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    for secret in [header::AUTHORIZATION, header::COOKIE] {
        if let Some(value) = headers.get_mut(secret) {
            value.set_sensitive(true);
        }
    }
    let id = request_id(headers);
    let trace = single(headers, &TRACEPARENT)
        .and_then(TraceParent::parse)
        .unwrap_or_else(TraceParent::root);
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        trace.id = trace.trace_id(),
        http.method = method(request.method()),
        http.route = %route(&request),
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(TraceContext(trace));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Counts and times the request under its route.
pub(in crate::http) async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method(request.method());
    let route = route(&request);
    let response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    counter!(HTTP_REQUESTS, "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(HTTP_DURATION, "route" => route, "method" => method, "status" => status.to_string())
        .record(took.as_secs_f64());
    tracing::debug!(
        http.status = status,
        elapsed_ms = took.as_secs_f64() * 1_000.0,
        "request answered"
    );
    response
}

fn request_id(headers: &HeaderMap) -> String {
    let clean = |id: &&str| {
        (1..=MAX_ID).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    };
    single(headers, &REQUEST_ID)
        .filter(clean)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The header's text when it was sent exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn route(request: &Request) -> String {
    request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| UNMATCHED.to_owned(), |path| path.as_str().to_owned())
}

/// Methods are text that callers may invent, so only the known ones become a label.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}
