//! Tokens for development; the route exists only there.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::extract::ValidJson;
use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// Whose token.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct DevTokenRequest {
    #[schema(min_length = 3, max_length = 32, pattern = "^[a-z0-9_]{3,32}$")]
    username: String,
}

/// A development token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DevToken)]
pub(super) struct DevTokenBody {
    access_token: String,
    user_id: Uuid,
    /// Seconds that it is good for.
    expires_in: u64,
}

/// A token for development
///
/// Creates the user when new.
#[utoipa::path(post, operation_id = "create_dev_token", path = "/dev/token", tag = "development", request_body = DevTokenRequest,
    responses((status = 200, description = "The token", body = DevTokenBody)))]
pub(super) async fn token(
    State(state): State<EdgeState>,
    body: ValidJson<DevTokenRequest>,
) -> Result<Json<DevTokenBody>, Problem> {
    let issuer = state.dev_tokens.as_ref().ok_or_else(Problem::not_found)?;
    let token = issuer.issue(&body.value.username).await?;
    Ok(Json(DevTokenBody {
        access_token: token.access_token,
        user_id: token.user_id.uuid(),
        expires_in: token.expires_in.as_secs(),
    }))
}
