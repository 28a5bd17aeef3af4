//! Whether a request may become a WebSocket of the viewer protocol. Pure.

use axum::http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The protocol and its version.
pub(super) const SUBPROTOCOL: &str = "nova.v1";

/// Why a handshake is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAnUpgrade,
    Subprotocol,
    ForeignOrigin,
    OverCapacity,
}

impl Refusal {
    /// Label of the metric.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotAnUpgrade => "not_an_upgrade",
            Self::Subprotocol => "subprotocol",
            Self::ForeignOrigin => "foreign_origin",
            Self::OverCapacity => "over_capacity",
        }
    }
}

/// The value of `Sec-WebSocket-Accept` for a request that may be upgraded.
pub(super) fn check(headers: &HeaderMap, uri: &Uri, allowed_origins: &[String]) -> Result<String, Refusal> {
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| {
        STANDARD
            .decode(key.as_bytes())
            .is_ok_and(|nonce| nonce.len() == 16)
    });
    let version_known = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|v| v == "13");
    let asked = lists(headers, &CONNECTION, "upgrade") && lists(headers, &UPGRADE, "websocket");
    let Some(key) = key.filter(|_| asked && version_known) else {
        return Err(Refusal::NotAnUpgrade);
    };
    let offered = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    if !offered
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUBPROTOCOL)
    {
        return Err(Refusal::Subprotocol);
    }
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(|authority| authority.as_str()));
    for origin in headers.get_all(ORIGIN) {
        let known = origin
            .to_str()
            .is_ok_and(|origin| is_own(origin, host) || is_allowed(origin, allowed_origins));
        if !known {
            return Err(Refusal::ForeignOrigin);
        }
    }
    Ok(derive_accept_key(key.as_bytes()))
}

fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn is_own(origin: &str, host: Option<&str>) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    matches!((authority, host), (Some(a), Some(h)) if a.eq_ignore_ascii_case(h))
}

fn is_allowed(origin: &str, allowed: &[String]) -> bool {
    allowed
        .iter()
        .any(|one| one == "*" || one.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn good() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(
            SEC_WEBSOCKET_KEY,
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("other, nova.v1"));
        headers
    }

    fn checked(headers: &HeaderMap) -> Result<String, Refusal> {
        check(
            headers,
            &Uri::from_static("/x"),
            &["https://friend.example".to_owned()],
        )
    }

    #[test]
    fn a_good_handshake_is_accepted_with_the_key_of_the_standard() {
        assert_eq!(checked(&good()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_websocket_handshake_is_refused() {
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_KEY] {
            let mut headers = good();
            headers.remove(&name);
            assert_eq!(checked(&headers), Err(Refusal::NotAnUpgrade), "{name}");
            headers.insert(name.clone(), HeaderValue::from_static("8"));
            assert_eq!(checked(&headers), Err(Refusal::NotAnUpgrade), "{name}");
        }
    }

    #[test]
    fn another_subprotocol_is_refused() {
        let mut headers = good();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("nova.v2"));
        assert_eq!(checked(&headers), Err(Refusal::Subprotocol));
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        assert_eq!(checked(&headers), Err(Refusal::Subprotocol));
    }

    #[test]
    fn only_the_own_host_and_allowed_origins_may_connect() {
        for (origin, known) in [
            ("http://localhost:8080", true),
            ("https://LOCALHOST:8080", true),
            ("https://friend.example", true),
            ("http://localhost:8081", false),
            ("http://localhost:8080.evil.example", false),
            ("null", false),
            ("", false),
        ] {
            let mut headers = good();
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(checked(&headers).is_ok(), known, "{origin}");
        }
    }
}
