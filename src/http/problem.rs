//! The only map from [`nova_actors::Error`] to a status: problem documents (RFC 9457).
//!
//! A [`Problem`] becomes a response without a body that carries itself as an extension; the outermost
//! middleware writes the document, because only there the request id is known and panics, deadlines and the
//! router's own refusals have all become responses.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nova_actors::domain::StreamId;
use nova_actors::{Error, FieldError, Kind};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Media type of every refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// How long a caller should wait when nothing better is known.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

macro_rules! codes {
    ($($variant:ident = $word:literal, $status:ident, $title:literal, $meaning:literal;)*) => {
        /// What went wrong, as a closed list of words that clients may branch on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in the document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The status it is usually sent with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The same short text for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means for the caller.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    ValidationError = "validation_error", BAD_REQUEST, "Invalid request", "A field breaks a rule; `errors` names each one.";
    MalformedJson = "malformed_json", BAD_REQUEST, "Malformed JSON", "The body is not JSON text.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "Authentication required", "There is no token, or it cannot be trusted.";
    Forbidden = "forbidden", FORBIDDEN, "Not allowed", "The thing exists, but it is someone else's.";
    NotFound = "not_found", NOT_FOUND, "Not found", "There is nothing under this name.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed", "The path exists; `Allow` lists its methods.";
    AlreadyLive = "already_live", CONFLICT, "Already live", "The streamer has a running live stream; `stream_id` names it.";
    StreamEnded = "stream_ended", CONFLICT, "Stream ended", "An ended live stream cannot be changed.";
    IdempotencyConflict = "idempotency_conflict", UNPROCESSABLE_ENTITY, "Idempotency key reused", "The key was used with another body.";
    IdempotencyInFlight = "idempotency_in_flight", CONFLICT, "Request still running", "A request with the same key has not finished.";
    CursorInvalid = "cursor_invalid", BAD_REQUEST, "Invalid cursor", "The cursor was altered or belongs to another list.";
    CursorExpired = "cursor_expired", GONE, "Cursor expired", "The list behind the cursor is gone; start again without one.";
    UnknownRanker = "unknown_ranker", BAD_REQUEST, "Unknown ranker", "There is no ranker of that name.";
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "Body too large", "The body exceeds the limit.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "The body must be application/json.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests", "The caller's own rate is too high; wait for `Retry-After`.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Overloaded", "Nova is at a limit and did nothing; wait for `Retry-After`.";
    DependencyUnavailable = "dependency_unavailable", SERVICE_UNAVAILABLE, "Dependency unavailable", "Something that Nova needs does not answer; wait for `Retry-After`.";
    Timeout = "timeout", GATEWAY_TIMEOUT, "Timeout", "The deadline passed; whether the work was done is unknown.";
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error", "A fault of Nova; the request id finds it in the log.";
}

/// A refusal on its way to the caller.
#[derive(Debug, Clone)]
pub struct Problem(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    status: StatusCode,
    code: Code,
    detail: Cow<'static, str>,
    retryable: bool,
    errors: Vec<FieldError>,
    stream_id: Option<StreamId>,
    retry_after: Option<Duration>,
    cause: Option<Error>,
}

impl Problem {
    /// A refusal with the usual status of `code`; `detail` is shown to the caller.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let waits = matches!(
            code,
            Code::RateLimited | Code::Overloaded | Code::DependencyUnavailable | Code::IdempotencyInFlight
        );
        Self(Box::new(Facts {
            status: code.status(),
            code,
            detail: detail.into(),
            retryable: waits || code == Code::Timeout,
            errors: Vec::new(),
            stream_id: None,
            retry_after: waits.then_some(DEFAULT_RETRY),
            cause: None,
        }))
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Nothing is under this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "nothing is here")
    }

    /// A single refused field.
    pub fn field(field: impl Into<Cow<'static, str>>, expected: impl Into<Cow<'static, str>>) -> Self {
        Error::field(field, expected).into()
    }

    /// The problem that a bare status stands for: refusals of the router and of layers.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::UNAUTHORIZED => (Code::Unauthorized, "a valid token is required"),
            StatusCode::FORBIDDEN => (Code::Forbidden, "this is not allowed"),
            StatusCode::NOT_FOUND => (Code::NotFound, "nothing is here"),
            StatusCode::METHOD_NOT_ALLOWED => (Code::MethodNotAllowed, "this path does not have that method"),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                (Code::Timeout, "the deadline passed")
            }
            StatusCode::PAYLOAD_TOO_LARGE => (Code::TooLarge, "the body is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                (Code::UnsupportedMediaType, "the body must be application/json")
            }
            StatusCode::TOO_MANY_REQUESTS => (Code::RateLimited, "too many requests"),
            StatusCode::SERVICE_UNAVAILABLE => (Code::Overloaded, "try again later"),
            other if other.is_client_error() => (Code::ValidationError, "the request cannot be served"),
            _ => (Code::InternalError, INTERNAL_DETAIL),
        };
        Self::new(code, detail).with_status(status)
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What is only logged.
    pub(super) fn cause(&self) -> Option<&Error> {
        self.0.cause.as_ref()
    }

    /// The document.
    #[must_use]
    pub fn document(&self, request_id: &str) -> ProblemDocument {
        ProblemDocument {
            kind: format!("/docs/problems#{}", self.0.code.as_str()),
            title: self.0.code.title(),
            status: self.0.status.as_u16(),
            detail: self.0.detail.clone(),
            code: self.0.code,
            retryable: self.0.retryable,
            request_id: request_id.to_owned(),
            errors: self.0.errors.iter().map(FieldProblem::from).collect(),
            stream_id: self.0.stream_id.map(StreamId::uuid),
        }
    }
}

const INTERNAL_DETAIL: &str = "something went wrong inside; the request id finds it in the log";

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            Kind::Validation(_) => Code::ValidationError,
            Kind::Unauthorized => Code::Unauthorized,
            Kind::Forbidden => Code::Forbidden,
            Kind::NotFound => Code::NotFound,
            Kind::AlreadyLive(_) => Code::AlreadyLive,
            Kind::StreamEnded => Code::StreamEnded,
            Kind::IdempotencyConflict => Code::IdempotencyConflict,
            Kind::IdempotencyInFlight => Code::IdempotencyInFlight,
            Kind::CursorInvalid => Code::CursorInvalid,
            Kind::CursorExpired => Code::CursorExpired,
            Kind::UnknownRanker => Code::UnknownRanker,
            Kind::RateLimited(_) => Code::RateLimited,
            Kind::Overloaded => Code::Overloaded,
            // A partition that has another owner now is served again as soon as the roles have settled.
            Kind::Unavailable | Kind::Fenced => Code::DependencyUnavailable,
            Kind::Timeout => Code::Timeout,
            Kind::Internal => Code::InternalError,
        };
        let detail = match error.kind() {
            Kind::Internal => Cow::Borrowed(INTERNAL_DETAIL),
            _ => Cow::Owned(error.message().to_owned()),
        };
        let mut problem = Self::new(code, detail);
        match error.kind() {
            Kind::Validation(fields) => problem.0.errors.clone_from(fields),
            Kind::AlreadyLive(id) => problem.0.stream_id = Some(*id),
            Kind::RateLimited(after) => problem.0.retry_after = Some(*after),
            _ => {}
        }
        problem.0.cause = Some(error);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.0.retry_after {
            // Rounded up: a caller that is early would only be refused again.
            let seconds = after.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Page that explains the code, relative to the server.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same short text for every occurrence of the code.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
    /// What clients branch on.
    pub code: Code,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Also in `X-Request-Id`; finds the request in the log.
    pub request_id: String,
    /// The refused fields, with `validation_error`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// The running live stream, with `already_live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stream_id: Option<Uuid>,
}

/// A refused field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Path of the field, e.g. `title`.
    pub field: String,
    /// What would have been accepted.
    pub expected: String,
}

impl From<&FieldError> for FieldProblem {
    fn from(error: &FieldError) -> Self {
        Self {
            field: error.field.clone().into_owned(),
            expected: error.expected.clone().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(error: Error) -> serde_json::Value {
        serde_json::to_value(Problem::from(error).document("r-1")).unwrap()
    }

    #[test]
    fn the_text_of_an_internal_error_stays_inside() {
        let document = document(Error::internal("table users has no column x"));
        assert_eq!(document["status"], 500);
        assert_eq!(document["code"], "internal_error");
        assert!(!document.to_string().contains("users"), "{document}");
    }

    #[test]
    fn a_second_start_names_the_running_stream() {
        let id = StreamId::new();
        let document = document(Error::new(Kind::AlreadyLive(id), "already live"));
        assert_eq!(document["status"], 409);
        assert_eq!(document["stream_id"], id.to_string());
    }

    #[test]
    fn refused_fields_are_listed_and_absent_otherwise() {
        let refused = document(Error::field("title", "1 to 140 characters"));
        assert_eq!(refused["errors"][0]["field"], "title");
        let other = document(Error::not_found("stream"));
        assert!(other.get("errors").is_none() && other.get("stream_id").is_none());
    }

    #[test]
    fn waiting_is_rounded_up_to_whole_seconds() {
        let error = Error::new(Kind::RateLimited(Duration::from_millis(1_001)), "slow down");
        let response = Problem::from(error).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn every_unavailability_says_when_to_come_back() {
        for error in [
            Error::new(Kind::Overloaded, "full"),
            Error::unavailable("store"),
            Error::new(Kind::Fenced, "fenced"),
        ] {
            let response = Problem::from(error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn the_words_are_those_of_the_contract() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
