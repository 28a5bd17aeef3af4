//! The page served from the binary: who is live, a room with its chat, going live, the feed.
//!
//! Plain files compiled in, no build step, nothing loaded from elsewhere. The policy sent with every answer
//! forbids inline scripts and styles, foreign sources and frames.

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

/// What the page may load and who may frame it: itself, and nobody.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; object-src 'none'",
);
/// Browsers keep the files and ask each time whether they are still the same: a new binary is seen at once.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// One compiled-in file.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

macro_rules! assets {
    ($($kind:ident $name:literal),* $(,)?) => {
        &[$(Asset { name: $name, kind: $kind, body: include_bytes!($name) }),*]
    };
}

const INDEX: Asset = Asset {
    name: "index.html",
    kind: HTML,
    body: include_bytes!("index.html"),
};
const ASSETS: &[Asset] = assets![
    STYLE "app.css",
    SCRIPT "app.js",
    SCRIPT "api.js",
    SCRIPT "chat-list.js",
    SCRIPT "dom.js",
    SCRIPT "errors.js",
    SCRIPT "feed.js",
    SCRIPT "follows.js",
    SCRIPT "form.js",
    SCRIPT "live.js",
    SCRIPT "nova-client.js",
    SCRIPT "room.js",
    SCRIPT "why.js",
    IMAGE "icon.svg",
];

/// Serves `/` and `/assets/{name}`. An asset that does not exist is given to `missing`, so that the answer looks
/// like every other 404 of the server it is merged into.
pub fn router<S>(missing: fn() -> Response) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { answer(&INDEX, &headers) }),
        )
        .route(
            "/assets/{name}",
            get(
                move |name: Result<Path<String>, PathRejection>, headers: HeaderMap| async move {
                    let asset = name
                        .ok()
                        .and_then(|Path(name)| ASSETS.iter().find(|asset| asset.name == name));
                    asset.map_or_else(missing, |asset| answer(asset, &headers))
                },
            ),
        )
}

/// The file, or 304 when the caller has exactly this one.
fn answer(asset: &'static Asset, request: &HeaderMap) -> Response {
    let tag = entity_tag(asset.body);
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|given| names(given, &tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.kind)], asset.body).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A strong validator: the first half of the content's SHA-256.
fn entity_tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", hex::encode(&digest[..16]))
}

/// Whether an `If-None-Match` value names this tag. The comparison is the weak one (RFC 9110 §13.1.2): a proxy
/// that compressed the body has marked our tag with `W/`.
fn names(given: &HeaderValue, tag: &str) -> bool {
    given.to_str().is_ok_and(|list| {
        list.split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}

#[cfg(test)]
mod tests;
