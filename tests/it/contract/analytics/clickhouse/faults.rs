//! A server that is away, breaks off or refuses: a classified error in time, and nothing is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use nova::adapters::analytics::clickhouse::{ClickHouseAnalytics, ClickHouseOptions};
use nova_actors::domain::UserId;
use nova_actors::ports::analytics::{AnalyticsSink, FeedSource};
use nova_actors::testing::MemoryLedger;
use nova_actors::{Kind, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::{Backend, LONG_AGO, PIPELINE, TOPIC, kind};
use super::interrupted::Story;
use super::place::ClickHouseDatabase;
use super::proxy::{Cut, Proxy};

fn connected(address: impl std::fmt::Display) -> ClickHouseAnalytics {
    let url = format!("clickhouse://nova:hunter2@{address}/feed");
    ClickHouseAnalytics::connect(&ClickHouseOptions { url }, Arc::new(MemoryLedger::default())).unwrap()
}

async fn applied(analytics: &ClickHouseAnalytics) -> Result<()> {
    let claim = analytics.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
    analytics.apply(&Story::new().batch(&claim)).await
}

/// A server that answers every request alike, and remembers them.
struct Answering {
    address: String,
    requests: Arc<Mutex<Vec<(Uri, HeaderMap)>>>,
    _serving: JoinSet<()>,
}

impl Answering {
    async fn with(status: u16, text: &'static str) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let answer = move |uri: Uri, headers: HeaderMap, _: Bytes| async move {
            seen.lock().unwrap().push((uri, headers));
            (StatusCode::from_u16(status).unwrap(), text)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, Router::new().fallback(answer))
                .await
                .unwrap();
        });
        Self {
            address,
            requests,
            _serving: serving,
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_at_once() {
    // A port that was free a moment ago, and that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let analytics = connected(address);
    let asked = async {
        assert_eq!(kind(analytics.trending(LONG_AGO, 5).await), Kind::Unavailable);
        assert_eq!(kind(applied(&analytics).await), Kind::Unavailable);
        assert_eq!(kind(analytics.migrate().await), Kind::Unavailable);
        assert_eq!(kind(analytics.inspect().await), Kind::Unavailable);
    };
    timeout(Duration::from_secs(2), asked)
        .await
        .expect("refused connections are no reason to wait");
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let analytics = connected(listener.local_addr().unwrap());
    let asked = analytics.followees(UserId::new(), LONG_AGO, 5, 5);
    let answer = timeout(Duration::from_secs(6), asked)
        .await
        .expect("every read has a deadline");
    assert_eq!(kind(answer), Kind::Unavailable);
}

#[tokio::test]
async fn a_read_that_is_cut_short_is_no_shorter_list() {
    let (place, story) = (ClickHouseDatabase::new(), Story::new());
    let analytics = place.open().await;
    let claim = analytics.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
    analytics.apply(&story.batch(&claim)).await.unwrap();
    for cut in [Cut::Before, Cut::After, Cut::HalfAnswered] {
        let proxy = Proxy::to(ClickHouseDatabase::address()).await;
        let through = place.through(&proxy.address(), place.ledger.clone());
        proxy.cut_query(cut);
        assert_eq!(
            kind(through.trending(LONG_AGO, 5).await),
            Kind::Unavailable,
            "{cut:?}"
        );
        story.is_told_by(&through).await;
    }
}

#[tokio::test]
async fn a_server_with_too_many_parts_is_unavailable_and_asked_no_third_time() {
    let server = Answering::with(500, "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)").await;
    let analytics = connected(&server.address);
    assert_eq!(kind(applied(&analytics).await), Kind::Unavailable);
    assert_eq!(server.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_missing_table_and_a_refused_user_are_said_clearly() {
    for (text, cure) in [
        (
            "Code: 60. DB::Exception: Table feed.posts_cdc does not exist. (UNKNOWN_TABLE)",
            "nova migrate up",
        ),
        (
            "Code: 516. DB::Exception: nova: Authentication failed. (AUTHENTICATION_FAILED)",
            "user, password and grants",
        ),
    ] {
        let server = Answering::with(500, text).await;
        let analytics = connected(&server.address);
        let failures = [
            applied(&analytics).await.unwrap_err(),
            analytics.trending(LONG_AGO, 5).await.unwrap_err(),
        ];
        for error in failures {
            assert_eq!(error.kind(), &Kind::Internal, "{error}");
            assert!(error.message().contains(cure), "{error}");
            assert!(
                error.to_string().contains(text),
                "the log has what the server said: {error}"
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        assert_eq!(server.requests.lock().unwrap().len(), 2, "neither is repeated");
    }
}

#[tokio::test]
async fn a_table_that_is_missing_on_the_server_is_said_clearly() {
    let place = ClickHouseDatabase::new();
    let analytics = place.connect(place.ledger.clone());
    for error in [
        applied(&analytics).await.unwrap_err(),
        analytics.trending(LONG_AGO, 5).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), &Kind::Internal, "{error}");
        assert!(error.message().contains("nova migrate up"), "{error}");
    }
}

#[tokio::test]
async fn bodies_are_compressed_unless_the_url_says_otherwise() {
    let server = Answering::with(503, "").await;
    let through = |query: &str| {
        let url = format!("clickhouse://{}/feed{query}", server.address);
        ClickHouseAnalytics::connect(&ClickHouseOptions { url }, Arc::new(MemoryLedger::default())).unwrap()
    };
    for (query, expected) in [("", Some("lz4")), ("?compression=none", None)] {
        assert_eq!(
            kind(through(query).trending(LONG_AGO, 5).await),
            Kind::Unavailable
        );
        let (uri, headers) = server.requests.lock().unwrap().pop().unwrap();
        let accepted = headers
            .get("accept-encoding")
            .map(|value| value.to_str().unwrap());
        assert_eq!(accepted, expected);
        let asked = uri.query().unwrap();
        assert!(
            asked.contains("max_execution_time=2") && asked.contains("database=feed"),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn the_password_is_shown_nowhere() {
    let options = ClickHouseOptions {
        url: "clickhouse://nova:hunter2@127.0.0.1:9/feed".into(),
    };
    let analytics = ClickHouseAnalytics::connect(&options, Arc::new(MemoryLedger::default())).unwrap();
    let error = analytics.migrate().await.unwrap_err();
    let shown = format!(
        "{options:?} {analytics:?} {error} {error:?} {}",
        analytics.print_migrations()
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}
