//! Bounds on one request: how many are in work, the size and the time of a body, the time to answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::http::problem::{Code, Problem};
use crate::http::state::EdgeState;

/// How much of a body that is refused anyway is taken in, in bytes.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
/// For how long that is done.
const DISCARD_FOR: Duration = Duration::from_secs(5);
/// A client that sends nothing for this long is waiting for the answer.
const DISCARD_QUIET: Duration = Duration::from_millis(500);

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
        // Who asks before sending is told now; reading would invite the body.
        if !request.headers().contains_key(header::EXPECT) {
            discard(request.into_body()).await;
        }
        return too_large(limit).into_response();
    }
    let (parts, mut body) = request.into_parts();
    match timeout(
        state.settings.body_deadline,
        Limited::new(&mut body, limit).collect(),
    )
    .await
    {
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

/// Takes in, for a while, what the client is still sending: a connection that is closed on unread bytes is reset,
/// and the client would never see the answer.
async fn discard(body: Body) {
    let rest = async {
        let mut body = Limited::new(body, DISCARD_BYTES);
        while let Ok(Some(Ok(_))) = timeout(DISCARD_QUIET, body.frame()).await {}
    };
    // A client that is still sending after this has to live with the reset.
    let _ = timeout(DISCARD_FOR, rest).await;
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
