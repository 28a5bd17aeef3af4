//! Bounds on one request: how many are in work, the size and the time of a body, the time to answer.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::http::problem::{Code, Problem};
use crate::http::state::EdgeState;

/// How much of a refused body is read on, and for how long, before the connection is cut off.
const DISCARDED_BYTES: usize = 4 * 1_024 * 1_024;
const DISCARDING: Duration = Duration::from_secs(2);

/// Refuses at once what is beyond the number of requests in work.
pub(in crate::http) async fn in_flight(
    State(state): State<EdgeState>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_permit) = state.in_flight().try_acquire() else {
        return Problem::new(Code::Overloaded, "too many requests are in work").into_response();
    };
    next.run(request).await
}

/// Reads the whole body before the handler runs, so that the handler's deadline is not spent on a slow
/// sender. Bodies of methods that have none are left unread.
pub(in crate::http) async fn body(State(state): State<EdgeState>, request: Request, next: Next) -> Response {
    let carries = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
    if !carries {
        return next.run(request).await;
    }
    let limit = state.settings.body_limit;
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        if !request.headers().contains_key(header::EXPECT) {
            discard(request.into_body()).await;
        }
        return too_large(limit).into_response();
    }
    let (parts, mut body) = request.into_parts();
    let reading = Limited::new(&mut body, limit).collect();
    match timeout(state.settings.body_deadline, reading).await {
        Ok(Ok(body)) => {
            let body = Body::from(body.to_bytes());
            next.run(Request::from_parts(parts, body)).await
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            too_large(limit).into_response()
        }
        Ok(Err(_)) => Problem::new(Code::MalformedJson, "the body broke off").into_response(),
        Err(_) => Problem::new(Code::Timeout, "the body did not arrive in time")
            .with_status(StatusCode::REQUEST_TIMEOUT)
            .into_response(),
    }
}

/// Reads on for a while after a body was refused. Most clients listen only once they have sent everything, and
/// closing a connection with unread bytes resets it, so that they would never hear the answer. Whoever waits
/// with `Expect: 100-continue` hears it without having sent anything.
async fn discard(mut body: Body) {
    let reading = async {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    if timeout(DISCARDING, reading).await.is_err() {
        tracing::debug!("the rest of a refused body took too long");
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("the body may have at most {limit} bytes"))
}

/// Ends what takes too long. An upgraded connection has been answered by then and is not touched.
pub(in crate::http) async fn deadline(
    State(state): State<EdgeState>,
    request: Request,
    next: Next,
) -> Response {
    match timeout(state.settings.request_deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Timeout, "the answer was not ready in time").into_response(),
    }
}
