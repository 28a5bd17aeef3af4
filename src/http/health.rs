//! What the process says of its health, and the endpoints that say it.
//!
//! Liveness never looks outside; readiness is lost only while starting or draining, with a schema that does
//! not fit, or when a dependency that the configuration requires is down. Everything else is `degraded`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nova_actors::domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::middleware::Verbatim;

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all parts run yet.
    Starting,
    /// Requests are served.
    Serving,
    /// No new work is wanted; what runs is finished.
    Draining,
}

/// How one dependency or part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works, with less than its full service.
    Degraded,
    /// Does not work.
    Down,
}

/// How the process as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Everything is as it should be.
    Ok,
    /// It serves, but at least one check is not `ok`.
    Degraded,
    /// Not all parts run yet.
    Starting,
    /// It is about to end.
    Draining,
}

#[derive(Debug, Clone)]
struct Check {
    status: CheckStatus,
    since: Timestamp,
    detail: Option<String>,
}

#[derive(Debug)]
struct Facts {
    phase: Phase,
    checks: BTreeMap<&'static str, Check>,
    required: BTreeSet<&'static str>,
}

/// Tells the time that `since` shows.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The facts behind the health endpoints; clones share them.
#[derive(Clone)]
pub struct Readiness {
    facts: Arc<RwLock<Facts>>,
    now: Now,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.facts).finish()
    }
}

impl Readiness {
    /// Starting, with nothing checked.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            facts: Arc::new(RwLock::new(Facts {
                phase: Phase::Starting,
                checks: BTreeMap::new(),
                required: BTreeSet::new(),
            })),
            now,
        }
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.write(|facts| facts.phase = phase);
    }

    /// Where the process is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).phase
    }

    /// Without `name` the process is not ready: the schema, and what `health.require` lists.
    pub fn require(&self, name: &'static str) {
        self.write(|facts| {
            facts.required.insert(name);
        });
    }

    /// Says how `name` is. Its `since` moves only when the status changes.
    pub fn report(&self, name: &'static str, status: CheckStatus, detail: Option<String>) {
        let now = (self.now)();
        self.write(|facts| {
            let since = facts
                .checks
                .get(name)
                .filter(|before| before.status == status)
                .map_or(now, |before| before.since);
            let check = Check {
                status,
                since,
                detail,
            };
            facts.checks.insert(name, check);
        });
    }

    /// The body, and whether requests should be sent here.
    #[must_use]
    pub fn describe(&self) -> (HealthBody, bool) {
        let facts = self.facts.read().unwrap_or_else(PoisonError::into_inner);
        let well = facts.checks.values().all(|check| check.status == CheckStatus::Ok);
        let status = match facts.phase {
            Phase::Starting => HealthStatus::Starting,
            Phase::Draining => HealthStatus::Draining,
            Phase::Serving if well => HealthStatus::Ok,
            Phase::Serving => HealthStatus::Degraded,
        };
        let missing = facts
            .required
            .iter()
            .filter_map(|name| facts.checks.get(name))
            .any(|check| check.status == CheckStatus::Down);
        let checks = facts.checks.iter().map(|(name, check)| {
            let body = CheckBody {
                status: check.status,
                since: check.since.to_string(),
                detail: check.detail.clone(),
            };
            ((*name).to_owned(), body)
        });
        let body = HealthBody {
            status,
            checks: checks.collect(),
        };
        (body, facts.phase == Phase::Serving && !missing)
    }

    fn write(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How the process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    /// The process as a whole.
    pub status: HealthStatus,
    /// Its dependencies and parts, by name.
    pub checks: BTreeMap<String, CheckBody>,
}

/// How one dependency or part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
pub struct CheckBody {
    /// How it is.
    pub status: CheckStatus,
    /// Since when it has been so.
    #[schema(format = DateTime)]
    pub since: String,
    /// More for people.
    #[schema(required)]
    pub detail: Option<String>,
}

/// `/livez`, `/readyz`, `/startupz` and their aliases.
pub(super) fn router(readiness: Readiness) -> Router {
    let aliases = Router::new()
        .route("/api/v1/health", get(livez))
        .route("/health/ready", get(readyz));
    Router::from(documented()).merge(aliases).with_state(readiness)
}

/// What the health endpoints say of themselves.
pub(super) fn openapi() -> OpenApi {
    documented().into_openapi()
}

fn documented() -> OpenApiRouter<Readiness> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(startupz))
}

/// Whether the process runs
///
/// Looks at nothing outside. Also under `/api/v1/health`.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It runs", body = HealthBody)))]
async fn livez(State(readiness): State<Readiness>) -> Response {
    answer(readiness.describe().0, true)
}

/// Whether requests should be sent here
///
/// Also under `/health/ready`.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "They should", body = HealthBody),
    (status = 503, description = "Not now", body = HealthBody, headers(("Retry-After" = u32, description = "Seconds to wait"))),
))]
async fn readyz(State(readiness): State<Readiness>) -> Response {
    let (body, ready) = readiness.describe();
    answer(body, ready)
}

/// Whether the process has started
#[utoipa::path(get, path = "/startupz", tag = "health", responses(
    (status = 200, description = "It has", body = HealthBody),
    (status = 503, description = "Not yet", body = HealthBody, headers(("Retry-After" = u32, description = "Seconds to wait"))),
))]
async fn startupz(State(readiness): State<Readiness>) -> Response {
    let started = readiness.phase() != Phase::Starting;
    answer(readiness.describe().0, started)
}

fn answer(body: HealthBody, well: bool) -> Response {
    if well {
        return Json(body).into_response();
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response.extensions_mut().insert(Verbatim);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn readiness() -> Readiness {
        let ticks = AtomicI64::new(0);
        Readiness::new(Arc::new(move || {
            Timestamp::from_millis(ticks.fetch_add(1, Ordering::SeqCst))
        }))
    }

    #[test]
    fn only_a_serving_process_is_ready() {
        let readiness = readiness();
        assert!(!readiness.describe().1);
        readiness.enter(Phase::Serving);
        assert!(readiness.describe().1);
        readiness.enter(Phase::Draining);
        assert_eq!(readiness.describe().0.status, HealthStatus::Draining);
        assert!(!readiness.describe().1);
    }

    #[test]
    fn a_lost_dependency_degrades_and_a_required_one_takes_the_readiness() {
        let readiness = readiness();
        readiness.enter(Phase::Serving);
        readiness.report("analytics", CheckStatus::Down, Some("no answer".into()));
        let (body, ready) = readiness.describe();
        assert_eq!((body.status, ready), (HealthStatus::Degraded, true));
        readiness.require("analytics");
        assert!(!readiness.describe().1);
        readiness.report("analytics", CheckStatus::Ok, None);
        assert!(readiness.describe().1);
    }

    #[test]
    fn since_moves_with_the_status_only() {
        let readiness = readiness();
        readiness.report("store", CheckStatus::Ok, None);
        let first = readiness.describe().0.checks["store"].since.clone();
        readiness.report("store", CheckStatus::Ok, Some("again".into()));
        assert_eq!(readiness.describe().0.checks["store"].since, first);
        readiness.report("store", CheckStatus::Down, None);
        assert_ne!(readiness.describe().0.checks["store"].since, first);
    }
}
