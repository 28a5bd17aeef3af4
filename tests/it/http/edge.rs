//! An edge for tests: the production router over production actors; only tokens are made easy.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use nova::adapters::analytics::sqlite::SqliteAnalytics;
use nova::adapters::cache::memory::MemoryCache;
use nova::adapters::clock::SystemClock;
use nova::adapters::log::sqlite::SqliteLog;
use nova::adapters::rooms::memory::MemoryRoomBus;
use nova::adapters::store::SqliteStore;
use nova::auth::Authenticate;
use nova::http::{
    CursorKey, DevToken, DevTokens, Edge, EdgeSettings, EdgeState, PROBLEM_JSON, Phase, Readiness,
    public_router,
};
use nova_actors::domain::{Identity, Timestamp, User};
use nova_actors::ports::Clock;
use nova_actors::runtime::GroupSpec;
use nova_actors::system::{ActorSystem, Ports, Settings};
use nova_actors::users::UsersHandle;
use nova_actors::{Error, Kind, Result};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

/// The token of a person is his name in front of this.
pub(super) const TOKEN: &str = "token-of-";

struct Tokens(UsersHandle);

#[async_trait]
impl Authenticate for Tokens {
    async fn authenticate(&self, token: &str) -> Result<(User, Timestamp)> {
        let name = token
            .strip_prefix(TOKEN)
            .ok_or_else(|| Error::new(Kind::Unauthorized, "the token is not valid"))?;
        let identity = Identity {
            issuer: "test".into(),
            subject: name.into(),
            preferred_username: Some(name.into()),
            name: None,
            picture: None,
        };
        Ok((
            self.0.identify(&identity).await?,
            Timestamp::from_millis(i64::MAX),
        ))
    }
}

#[async_trait]
impl DevTokens for Tokens {
    async fn issue(&self, username: &str) -> Result<DevToken> {
        if !nova_actors::domain::is_username(username) {
            return Err(Error::field(
                "username",
                "3 to 32 of the characters a-z, 0-9 and _",
            ));
        }
        let access_token = format!("{TOKEN}{username}");
        let (user, _) = self.authenticate(&access_token).await?;
        Ok(DevToken {
            access_token,
            user_id: user.id,
            expires_in: Duration::from_secs(60),
        })
    }
}

/// A router with what is behind it.
pub(super) struct TestEdge {
    pub(super) state: EdgeState,
    pub(super) router: Router,
    pub(super) system: ActorSystem,
    _files: TempDir,
}

/// How a [`TestEdge`] differs from the usual one.
pub(super) struct Setup {
    pub(super) settings: EdgeSettings,
    pub(super) dev: bool,
    pub(super) more: Router,
}

impl Default for Setup {
    fn default() -> Self {
        let categories = ["gaming", "music", "other"].map(String::from).to_vec();
        Self {
            settings: EdgeSettings::with_categories(categories),
            dev: false,
            more: Router::new(),
        }
    }
}

impl TestEdge {
    pub(super) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(super) async fn with(setup: Setup) -> Self {
        let files = tempfile::tempdir().unwrap();
        let system = system(&files).await;
        let handles = system.handles().clone();
        let readiness = Readiness::new(Arc::new(|| SystemClock.now()));
        readiness.enter(Phase::Serving);
        let tokens = Arc::new(Tokens(handles.users.clone()));
        let dev_tokens: Option<Arc<dyn DevTokens>> = match setup.dev {
            true => Some(tokens.clone()),
            false => None,
        };
        let state = EdgeState::new(Edge {
            streams: handles.streams,
            users: handles.users,
            social: handles.social,
            feed: handles.feed,
            authenticator: tokens,
            dev_tokens,
            cursor_key: CursorKey::new(&[7; 32]).unwrap(),
            readiness,
            settings: setup.settings,
        });
        let router = public_router(&state, setup.more).unwrap();
        Self {
            state,
            router,
            system,
            _files: files,
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router.clone(), request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }

    /// As `who`, with a JSON body unless it is null.
    pub(super) async fn call(&self, who: &str, method: &str, path: &str, body: Value) -> Answer {
        let request = request(method, path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}{who}"));
        let request = if body.is_null() {
            request.body(Body::empty())
        } else {
            request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()))
        };
        self.send(request.unwrap()).await
    }

    /// The id of a person, who is created when new.
    pub(super) async fn id_of(&self, who: &str) -> String {
        let me = self.call(who, "GET", "/api/v1/users/me", Value::Null).await;
        me.json()["id"].as_str().unwrap().to_owned()
    }
}

async fn system(files: &TempDir) -> ActorSystem {
    let at = |name: &str| files.path().join(name);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(SqliteStore::open(&at("store.db")).await.unwrap());
    let log = Arc::new(SqliteLog::open(&at("log.db")).await.unwrap());
    let analytics = Arc::new(SqliteAnalytics::open(&at("analytics.db")).await.unwrap());
    let journal = Arc::new(log.journal());
    let ports = Ports {
        users: store.clone(),
        streams: store.clone(),
        social: store.clone(),
        posts: store.clone(),
        pending: store,
        sink: log.clone(),
        source: log.clone(),
        retention: Some(log),
        analytics: analytics.clone(),
        candidates: analytics,
        cache: Arc::new(MemoryCache::new(1 << 20)),
        rooms: Arc::new(MemoryRoomBus::new(journal.clone(), clock.clone())),
        journal: Some(journal),
        partitions: None,
        clock,
    };
    let settings = Settings {
        streams: Default::default(),
        feed: Default::default(),
        cursor_key: nova_actors::feed::CursorKey::new(&[9; 32]).unwrap(),
        loaders: Default::default(),
        relay: Default::default(),
        cdc: Default::default(),
        social_workers: 2,
        write_deadline: Duration::from_secs(5),
        topics: Vec::new(),
        retention_every: Duration::from_secs(3_600),
        owner: "test".into(),
    };
    ActorSystem::start(ports, settings, |_| GroupSpec::new("process"))
        .await
        .unwrap()
}

pub(super) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

pub(super) async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that should have this status.
    pub(super) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        match self.body.is_empty() {
            true => Value::Null,
            false => self.json(),
        }
    }

    /// Asserts a complete problem document, and gives it back.
    pub(super) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), PROBLEM_JSON);
        let document = self.json();
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(document["status"], status);
        assert_eq!(document["request_id"], self.header("x-request-id"));
        for text in ["type", "title", "detail", "request_id"] {
            assert!(
                document[text].as_str().is_some_and(|t| !t.is_empty()),
                "{document}"
            );
        }
        assert!(document["retryable"].is_boolean(), "{document}");
        if [429, 503].contains(&status) {
            assert!(self.header("retry-after").parse::<u32>().is_ok_and(|s| s > 0));
        }
        document
    }

    /// Asserts that exactly this field is refused.
    pub(super) fn refused_field(&self, field: &str) {
        let document = self.problem(400, "validation_error");
        assert_eq!(document["errors"][0]["field"], field, "{document}");
        assert_eq!(document["errors"].as_array().unwrap().len(), 1, "{document}");
    }
}
