use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn ask(path: &str, if_none_match: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    if let Some(tag) = if_none_match {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let router: Router = router(|| StatusCode::NOT_FOUND.into_response());
    let response = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    (
        parts.status,
        parts.headers,
        body.collect().await.unwrap().to_bytes().to_vec(),
    )
}

fn text(asset: &Asset) -> &'static str {
    std::str::from_utf8(asset.body).unwrap()
}

/// The double-quoted values that follow `before` in `text`.
fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

#[tokio::test]
async fn every_file_is_served_with_its_type_and_the_strict_policy() {
    let paths = ASSETS
        .iter()
        .map(|asset| (format!("/assets/{}", asset.name), asset));
    for (path, asset) in paths.chain([("/".to_owned(), &INDEX)]) {
        let (status, headers, body) = ask(&path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], asset.kind, "{path}");
        assert_eq!(
            headers[header::CONTENT_SECURITY_POLICY],
            CONTENT_SECURITY_POLICY,
            "{path}"
        );
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        assert_eq!(body, asset.body, "{path}");
    }
}

#[tokio::test]
async fn a_known_tag_is_answered_with_304_and_no_body() {
    let (_, headers, _) = ask("/assets/app.js", None).await;
    let tag = headers[header::ETAG].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    for known in [
        tag.clone(),
        format!("\"other\", {tag}"),
        format!("W/{tag}"),
        "*".to_owned(),
    ] {
        let (status, headers, body) = ask("/assets/app.js", Some(&known)).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        assert_eq!(headers[header::ETAG].to_str().unwrap(), tag);
    }
    for other in ["\"other\"", "\u{ff}", ""] {
        assert_eq!(
            ask("/assets/app.js", Some(other)).await.0,
            StatusCode::OK,
            "{other}"
        );
    }
}

#[tokio::test]
async fn an_unknown_asset_gets_the_servers_own_404() {
    for path in [
        "/assets/nothing.js",
        "/assets/mod.rs",
        "/assets/..%2fmod.rs",
        "/assets/%ff",
    ] {
        let (status, ..) = ask(path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn tags_differ_between_files() {
    let tags: std::collections::HashSet<_> = ASSETS.iter().map(|asset| entity_tag(asset.body)).collect();
    assert_eq!(tags.len(), ASSETS.len());
}

#[test]
fn the_page_names_only_files_that_are_served() {
    let served = |path: &str| {
        ASSETS
            .iter()
            .any(|asset| path.strip_prefix("/assets/") == Some(asset.name))
    };
    let links = quoted(text(&INDEX), "src=\"").chain(quoted(text(&INDEX), "rel=\"icon\" href=\""));
    for path in links.chain(quoted(text(&INDEX), "rel=\"stylesheet\" href=\"")) {
        assert!(served(path), "{path}");
    }
    for script in ASSETS.iter().filter(|asset| asset.kind == SCRIPT) {
        for import in quoted(text(script), "from \"./") {
            assert!(
                ASSETS.iter().any(|asset| asset.name == import),
                "{} imports {import}",
                script.name
            );
        }
    }
}

#[test]
fn nothing_in_the_files_needs_a_weaker_policy_or_another_host() {
    for inline in [" style=", " onclick=", " onload=", "<style", "javascript:"] {
        assert!(!text(&INDEX).contains(inline), "{inline} in index.html");
    }
    assert_eq!(
        text(&INDEX).matches("<script").count(),
        text(&INDEX).matches("<script src=").count() + 1
    );
    for asset in ASSETS.iter().chain([&INDEX]) {
        let body = text(asset).replace("http://www.w3.org/2000/svg", "");
        for unsafe_way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http://",
            "https://",
        ] {
            assert!(!body.contains(unsafe_way), "{unsafe_way} in {}", asset.name);
        }
    }
}

#[test]
fn every_file_stays_readable() {
    for asset in ASSETS.iter().chain([&INDEX]) {
        assert!(text(asset).lines().count() <= 400, "{} is too long", asset.name);
    }
}
