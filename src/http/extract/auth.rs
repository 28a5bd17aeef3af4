//! Who is calling, by `Authorization: Bearer`.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;
use nova_actors::domain::{User, UserId};
use nova_actors::{Error, Kind};

use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// Whoever calls, with or without a token. A token that cannot be trusted is refused even where none is
/// needed: its holder would otherwise see an anonymous answer and not know why.
#[derive(Debug)]
pub(in crate::http) struct Viewer(pub(in crate::http) Option<User>);

impl Viewer {
    pub(in crate::http) fn id(&self) -> Option<UserId> {
        self.0.as_ref().map(|user| user.id)
    }
}

/// A caller with a valid token.
#[derive(Debug)]
pub(in crate::http) struct Member(pub(in crate::http) User);

impl FromRequestParts<EdgeState> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &EdgeState) -> Result<Self, Problem> {
        let Some(token) = bearer(&parts.headers)? else {
            return Ok(Self(None));
        };
        let (user, _expires_at) = state.authenticator.authenticate(token).await?;
        Ok(Self(Some(user)))
    }
}

impl FromRequestParts<EdgeState> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &EdgeState) -> Result<Self, Problem> {
        let Viewer(user) = Viewer::from_request_parts(parts, state).await?;
        user.map(Self)
            .ok_or_else(|| unauthorized("a bearer token is required").into())
    }
}

/// The token, `None` without the header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim_matches(' '))
        .filter(|token| !token.is_empty() && values.next().is_none());
    token
        .map(Some)
        .ok_or_else(|| unauthorized("`Authorization` must be one bearer token"))
}

fn unauthorized(detail: &'static str) -> Error {
    Error::new(Kind::Unauthorized, detail)
}
