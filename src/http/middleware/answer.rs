//! The finish of every answer: panics and bare refusals become problem documents, and headers that keep
//! browsers from guessing are added.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use nova_actors::Kind;

use super::request::RequestId;
use crate::http::problem::{Code, PROBLEM_JSON, Problem};

/// Marks a refusal whose body is not a problem document by contract.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Verbatim;

/// Finishes the answer.
pub(in crate::http) async fn finish(request: Request, next: Next) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.0.clone())
        .unwrap_or_default();
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => panicked(panic.as_ref()),
    };
    let status = response.status();
    let verbatim = response.extensions_mut().remove::<Verbatim>().is_some();
    if (status.is_client_error() || status.is_server_error()) && !verbatim {
        response = refuse(response, &id);
    }
    protect(response.headers_mut());
    response
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    Problem::from(nova_actors::Error::internal(format!(
        "a handler panicked: {text}"
    )))
    .into_response()
}

/// Replaces the body by the problem document; what the headers say beside it (`Allow`, `Retry-After`) stays.
fn refuse(mut response: Response, id: &str) -> Response {
    if is_problem(response.headers()) {
        return response;
    }
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::of_status(response.status()));
    log(&problem);
    // A bare refusal may lack headers that its problem implies.
    let mut answer = problem.clone().into_response();
    for (name, value) in response.headers() {
        let describes_body = [
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
        ]
        .contains(name);
        if !describes_body {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    *answer.body_mut() = Json(problem.document(id)).into_response().into_body();
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    answer
}

/// The one place where a failed request is logged; the span carries the request id.
fn log(problem: &Problem) {
    let code = problem.code().as_str();
    match problem.cause() {
        Some(error) if *error.kind() == Kind::Internal => {
            tracing::error!(code, %error, "request failed");
        }
        Some(error) if problem.status().is_server_error() => {
            tracing::warn!(code, %error, "request failed");
        }
        Some(error) => tracing::debug!(code, %error, "request refused"),
        None if problem.code() == Code::InternalError => tracing::error!(code, "request failed"),
        None => tracing::debug!(code, "request refused"),
    }
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == PROBLEM_JSON.as_bytes())
}

/// Pages bring their own policy and caching; everything else is data that nobody keeps, frames or sniffs.
fn protect(headers: &mut HeaderMap) {
    const DEFAULTS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
