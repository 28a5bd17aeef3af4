//! Ids in paths.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// Length of a hyphenated UUID. The other spellings of one would be second names of the same thing.
const UUID_TEXT: usize = 36;

/// The id in the path. Text that is no id names nothing, so it is not found, like an id that nothing has.
#[derive(Debug)]
pub(in crate::http) struct Id<T>(pub(in crate::http) T);

impl<T> FromRequestParts<EdgeState> for Id<T>
where
    T: FromStr,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &EdgeState) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok()
            .filter(|text| text.len() == UUID_TEXT)
            .and_then(|Path(text)| text.parse().ok())
            .map(Self)
            .ok_or_else(Problem::not_found)
    }
}
