//! JSON bodies, with refusals that name the broken field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::problem::{Code, Problem};

/// A JSON body that has the shape of `T`.
#[derive(Debug)]
pub(in crate::http) struct ValidJson<T> {
    pub(in crate::http) value: T,
    /// SHA-256 of the bytes as they came.
    pub(in crate::http) fingerprint: [u8; 32],
}

impl<T, S> FromRequest<S> for ValidJson<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body must be sent as application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        if is_encoded(request.headers()) {
            let detail = "the body must be sent without a content encoding";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        // The middleware has read the body already, within the limits of size and time.
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| malformed("the body broke off"))?;
        Ok(Self {
            value: parse(&bytes)?,
            fingerprint: Sha256::digest(&bytes).into(),
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|essence| essence.trim().to_ascii_lowercase());
    kind.is_some_and(|kind| {
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

/// Whether the bytes are not the text itself: they would be called malformed, which they are not.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(Code::MalformedJson, detail.into())
}

/// In two steps, so that text that is no JSON is always told apart from JSON of the wrong shape.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        malformed(format!(
            "not JSON at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    if !value.is_object() {
        return Err(Problem::field("body", "a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let (field, expected) = describe(&path, &error.inner().to_string());
        Problem::field(field, expected)
    })
}

/// The broken field and what it should have been, from the deserializer's path and message.
fn describe(path: &str, message: &str) -> (String, String) {
    let parent = if path == "." { "" } else { path };
    if let Some(name) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        let dot = if parent.is_empty() { "" } else { "." };
        return (format!("{parent}{dot}{name}"), "to be present".to_owned());
    }
    let field = if parent.is_empty() { "body" } else { parent };
    let expected = message
        .split_once("expected ")
        .map_or("another value", |(_, expected)| expected);
    (field.to_owned(), expected.to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        title: String,
        size: Option<u8>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        list: Vec<u8>,
    }

    fn refused(text: &[u8]) -> serde_json::Value {
        serde_json::to_value(parse::<Body>(text).unwrap_err().document("r")).unwrap()
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let body: Body = parse(br#"{"title":"t","more":1}"#).unwrap();
        assert_eq!(body.title, "t");
        assert!(body.size.is_none() && body.inner.is_none_or(|inner| inner.list.is_empty()));
    }

    #[test]
    fn a_wrong_field_is_named_with_its_path() {
        for (text, field, expected) in [
            (r#"{}"#, "title", "to be present"),
            (r#"{"title":5}"#, "title", "a string"),
            (r#"{"title":null}"#, "title", "a string"),
            (r#"{"title":"t","size":300}"#, "size", "u8"),
            (r#"{"title":"t","inner":{}}"#, "inner.list", "to be present"),
            (r#"{"title":"t","inner":{"list":[1,"x"]}}"#, "inner.list[1]", "u8"),
            ("[]", "body", "a JSON object"),
            ("null", "body", "a JSON object"),
        ] {
            let document = refused(text.as_bytes());
            assert_eq!(document["code"], "validation_error", "{text}");
            assert_eq!(document["errors"][0]["field"], field, "{text}");
            assert_eq!(document["errors"][0]["expected"], expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_malformed() {
        let deep = "[".repeat(10_000);
        for text in [
            &b""[..],
            b"{",
            b"{\"title\":\"t\"} x",
            b"{\"title\":\"\xff\"}",
            b"{\"title\":\"\\ud800\"}",
            b"{\"size\":1e999}",
            deep.as_bytes(),
        ] {
            assert_eq!(refused(text)["code"], "malformed_json", "{text:?}");
        }
    }
}
