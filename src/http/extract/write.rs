//! What a write carries besides its content: its trace and its idempotency key.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use nova_actors::domain::{IdempotencyKey, TraceParent, UserId, WriteContext};

use crate::http::middleware::TraceContext;
use crate::http::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_KEY: usize = 255;

/// The request's trace, for writes that are idempotent by themselves.
#[derive(Debug)]
pub(in crate::http) struct Trace(TraceParent);

impl Trace {
    pub(in crate::http) fn context(&self) -> WriteContext {
        WriteContext {
            traceparent: self.0.child(),
            idempotency: None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let trace = parts.extensions.get::<TraceContext>();
        Ok(Self(
            trace.map_or_else(TraceParent::root, |trace| trace.0.clone()),
        ))
    }
}

/// The request's trace and its `Idempotency-Key`, for writes that create something.
#[derive(Debug)]
pub(in crate::http) struct Write {
    trace: Trace,
    key: Option<String>,
}

impl Write {
    /// The context of `user`'s write on `route` with a body of that fingerprint.
    pub(in crate::http) fn context(
        self,
        user: UserId,
        route: &'static str,
        fingerprint: [u8; 32],
    ) -> WriteContext {
        let idempotency = self.key.map(|key| IdempotencyKey {
            user,
            route,
            key,
            fingerprint,
        });
        WriteContext {
            idempotency,
            ..self.trace.context()
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Write {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self {
            key: idempotency_key(&parts.headers)?,
            trace: Trace::from_request_parts(parts, state).await?,
        })
    }
}

/// The key as sent, or without the quotes of a structured-field string.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().ok().map(|text| {
        text.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text)
    });
    key.filter(|key| {
        (1..=MAX_KEY).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_graphic())
            && values.next().is_none()
    })
    .map(|key| Some(key.to_owned()))
    .ok_or_else(|| Problem::field("Idempotency-Key", "1 to 255 visible ASCII characters, given once"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(values: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                IDEMPOTENCY_KEY,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        idempotency_key(&headers)
    }

    #[test]
    fn bare_and_quoted_keys_are_the_same_key() {
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&["abc-1"]).unwrap().as_deref(), Some("abc-1"));
        assert_eq!(key(&["\"abc-1\""]).unwrap().as_deref(), Some("abc-1"));
        assert_eq!(key(&[&"x".repeat(255)]).unwrap().map(|k| k.len()), Some(255));
    }

    #[test]
    fn keys_that_cannot_be_told_apart_are_refused() {
        for bad in ["", "\"\"", "a b", "é", &"x".repeat(256)] {
            assert!(key(&[bad]).is_err(), "{bad}");
        }
        assert!(key(&["a", "b"]).is_err());
    }
}
