//! Answers are always to be had as they are: who refuses that gets them nevertheless.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Takes refusals of uncompressed answers out of `Accept-Encoding`. The compression behind this would turn
/// every answer into a 406 then, even that of a write that was done.
pub(in crate::http) async fn plain_is_acceptable(mut request: Request, next: Next) -> Response {
    accept_plain(request.headers_mut());
    next.run(request).await
}

fn accept_plain(headers: &mut HeaderMap) {
    let accepted: Vec<&str> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let kept: Vec<&str> = accepted
        .iter()
        .copied()
        .filter(|coding| !refuses_plain(coding))
        .collect();
    if kept.len() == accepted.len() {
        return;
    }
    match HeaderValue::from_str(&kept.join(",")) {
        Ok(value) if !kept.is_empty() => {
            headers.insert(header::ACCEPT_ENCODING, value);
        }
        _ => {
            headers.remove(header::ACCEPT_ENCODING);
        }
    }
}

/// Whether this part of the header is `identity` or `*` with a weight of zero.
fn refuses_plain(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let covers = name == "*" || name.eq_ignore_ascii_case("identity");
    let zero = |weight: &str| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0);
    covers
        && parts.any(|part| {
            part.split_once('=')
                .is_some_and(|(key, weight)| key.trim().eq_ignore_ascii_case("q") && zero(weight.trim()))
        })
}
