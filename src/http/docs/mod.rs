//! Documents for people and machines: the OpenAPI document, its viewer, and the list of problem codes.
//!
//! The viewer's own start page needs scripts and pictures that the policy forbids, so Nova has its own small
//! page which loads the bundled viewer as files and starts it from one more file.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::problem::{Code, Problem};

const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// The files change with the program only, but their names do not.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The routes of all documents.
///
/// # Errors
/// When the document cannot be written as JSON.
pub(super) fn router(document: &OpenApi) -> serde_json::Result<Router> {
    let json = Bytes::from(serde_json::to_vec(document)?);
    let style = Bytes::from(without_embedded_pictures(&vendored("swagger-ui.css")));
    let problems = Bytes::from(problem_page());
    Ok(Router::new()
        .route(
            "/api/v1/openapi.json",
            get(|| async move { ([(header::CONTENT_TYPE, "application/json")], json) }),
        )
        .route(
            "/docs",
            get(|| async { page(Bytes::from_static(include_bytes!("index.html"))) }),
        )
        .route("/docs/problems", get(|| async move { page(problems) }))
        .route("/docs/swagger-ui.css", get(|| async move { file(CSS, style) }))
        .route("/docs/{file}", get(asset))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }))
        .route("/swagger-ui", get(|| async { Redirect::permanent("/docs") }))
        .route("/swagger-ui/", get(|| async { Redirect::permanent("/docs") }))
        .route(
            "/api-doc/openapi.json",
            get(|| async { Redirect::permanent("/api/v1/openapi.json") }),
        ))
}

async fn asset(name: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Response {
    match name.as_ref().map(|Path(name)| name.as_str()) {
        Ok("swagger-ui-bundle.js") => file(SCRIPT, Bytes::from(vendored("swagger-ui-bundle.js"))),
        Ok("start.js") => file(SCRIPT, Bytes::from_static(include_bytes!("start.js"))),
        Ok("docs.css") => file(CSS, Bytes::from_static(include_bytes!("docs.css"))),
        _ => Problem::not_found().into_response(),
    }
}

/// A file of the bundled viewer; one that the bundle lacks is empty, which a test would notice.
fn vendored(name: &str) -> Vec<u8> {
    utoipa_swagger_ui::serve(name, Arc::new(Config::default()))
        .ok()
        .flatten()
        .map(|file| file.bytes.into_owned())
        .unwrap_or_default()
}

/// The viewer's style sheet has pictures as `data:` URLs, a source that the policy does not allow. They are
/// ornaments; without them the browser has nothing to complain about.
fn without_embedded_pictures(style: &[u8]) -> String {
    let style = String::from_utf8_lossy(style);
    let mut clean = String::with_capacity(style.len());
    let mut rest = style.as_ref();
    while let Some(start) = rest.find("url(") {
        let (before, url) = rest.split_at(start);
        clean.push_str(before);
        let end = end_of_url(url);
        clean.push_str("none");
        rest = url.get(end..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

/// Length of `url(…)` at the start of `text`; within quotes, brackets do not end it.
fn end_of_url(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ')') => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn page(body: Bytes) -> Response {
    let mut response = file(HTML, body);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    response
}

fn file(kind: &'static str, body: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, CACHE),
    ];
    (headers, body).into_response()
}

/// What the `type` of a problem document links to.
fn problem_page() -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Nova: problem codes</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"stylesheet\" href=\"/docs/docs.css\">\n\
         <main>\n<h1>Problem codes</h1>\n",
    );
    for code in Code::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<section id=\"{word}\"><h2><code>{word}</code></h2><p>{status} · {title}. {meaning}</p></section>",
            word = code.as_str(),
            status = code.status().as_u16(),
            title = code.title(),
            meaning = code.meaning(),
        );
    }
    page.push_str("</main>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_viewer_is_bundled_and_its_style_has_no_embedded_pictures() {
        assert!(vendored("swagger-ui-bundle.js").len() > 100_000);
        let style = without_embedded_pictures(&vendored("swagger-ui.css"));
        assert!(style.len() > 50_000);
        assert!(!style.contains("url(") && !style.contains("data:"));
    }

    #[test]
    fn only_urls_are_taken_out() {
        let style = "a{b:url(\"x)y\") no-repeat}c{d:url(e)}f{g:h}";
        assert_eq!(
            without_embedded_pictures(style.as_bytes()),
            "a{b:none no-repeat}c{d:none}f{g:h}"
        );
    }

    #[test]
    fn every_code_has_its_place_on_the_page() {
        let page = problem_page();
        for code in Code::ALL {
            assert!(page.contains(&format!("id=\"{}\"", code.as_str())));
        }
    }
}
