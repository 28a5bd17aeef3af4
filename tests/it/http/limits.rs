//! Bounds: time, load, silence. And an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::routing::get;
use nova::http::{Server, ServerSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::edge::{Setup, TOKEN, TestEdge, request, send};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_handler_that_takes_too_long_is_a_timeout() {
    let mut setup = Setup {
        more: Router::new().route("/hangs", get(async || std::future::pending::<()>().await)),
        ..Setup::default()
    };
    setup.settings.request_deadline = Duration::from_millis(50);
    let edge = TestEdge::with(setup).await;
    edge.get("/hangs").await.problem(504, "timeout");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_a_timeout() {
    let mut setup = Setup::default();
    setup.settings.body_deadline = Duration::from_millis(50);
    let edge = TestEdge::with(setup).await;
    let never = futures_util::stream::pending::<Result<String, std::io::Error>>();
    let request = request("POST", "/api/v1/posts")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}ana"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(never));
    edge.send(request.unwrap()).await.problem(408, "timeout");
}

/// What comes back when only the head of a request with too large a body is sent.
async fn only_announced(edge: &TestEdge, more: &str) -> String {
    let server = listening(edge.router.clone(), ServerSettings::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/v1/posts HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}ana\r\n\
         content-type: application/json\r\ncontent-length: 9000000\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = timeout(Duration::from_secs(4), until_closed(&mut stream)).await;
    String::from_utf8(answer.expect("an answer without the body")).unwrap()
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_need_not_be_sent() {
    let edge = TestEdge::new().await;
    let silent = only_announced(&edge, "").await;
    assert!(silent.starts_with("HTTP/1.1 413"), "{silent}");
    // Who asks first is not told to go on.
    let asked = only_announced(&edge, "expect: 100-continue\r\n").await;
    assert!(asked.starts_with("HTTP/1.1 413"), "{asked}");
    assert!(asked.contains("\"code\":\"too_large\""), "{asked}");
}

#[tokio::test]
async fn beyond_the_limit_requests_are_refused_but_health_answers() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (entered.clone(), release.clone());
    let hold = move || {
        let (enter, wait) = (enter.clone(), wait.clone());
        async move {
            enter.notify_one();
            wait.notified().await;
            "done"
        }
    };
    let mut setup = Setup {
        more: Router::new().route("/holds", get(hold)),
        ..Setup::default()
    };
    setup.settings.max_in_flight = 1;
    let edge = TestEdge::with(setup).await;
    let mut tasks = JoinSet::new();
    let holds = request("GET", "/holds").body(Body::empty()).unwrap();
    tasks.spawn(send(edge.router.clone(), holds));
    timeout(SOON, entered.notified()).await.unwrap();
    edge.get("/api/v1/streams").await.problem(503, "overloaded");
    edge.get("/readyz").await.ok(200);
    release.notify_one();
    let held = timeout(SOON, tasks.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(held.text(), "done");
    edge.get("/api/v1/streams").await.ok(200);
}

struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinSet<()>,
}

async fn listening(router: Router, settings: ServerSettings) -> Listening {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), settings).await.unwrap();
    let address = server.address();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(server.serve(router, stop.clone()));
    Listening {
        address,
        stop,
        running,
    }
}

impl Listening {
    async fn ended(&mut self) {
        let ended = timeout(SOON, self.running.join_next()).await;
        ended.expect("the server goes on").unwrap().unwrap();
    }
}

fn quick() -> ServerSettings {
    ServerSettings {
        silent_deadline: Duration::from_millis(500),
        head_deadline: Duration::from_millis(500),
        drain: Duration::from_secs(5),
        ..ServerSettings::default()
    }
}

/// Everything until the server closes.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut all)).await;
    // A reset is a close, too.
    let _ = read.expect("the server keeps the connection open");
    all
}

#[tokio::test]
async fn silent_sockets_and_slow_heads_are_closed() {
    let router = Router::new().route("/", get(async || "hello"));
    let server = listening(router, quick()).await;
    for sent in ["", "PRI * HT", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{sent:?}");
    }
    // After an answer, silence ends the connection as well.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"hello"));
}

#[tokio::test]
async fn beyond_the_connection_limit_a_connection_waits_for_a_free_place() {
    let router = Router::new().route("/", get(async || "hello"));
    let settings = ServerSettings {
        max_connections: 1,
        ..quick()
    };
    let server = listening(router, settings).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    // The silent first one is closed in time, which lets the second in.
    until_closed(&mut first).await;
    assert!(until_closed(&mut second).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn the_end_waits_for_requests_in_work_and_takes_no_new_ones() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (entered.clone(), release.clone());
    let hold = move || {
        let (enter, wait) = (enter.clone(), wait.clone());
        async move {
            enter.notify_one();
            wait.notified().await;
            "done"
        }
    };
    let mut server = listening(Router::new().route("/", get(hold)), quick()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    timeout(SOON, entered.notified()).await.unwrap();
    server.stop.cancel();
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.unwrap();
    assert!(server.running.try_join_next().is_none());
    release.notify_one();
    assert!(until_closed(&mut stream).await.ends_with(b"done"));
    server.ended().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let settings = ServerSettings {
        drain: Duration::from_millis(50),
        ..quick()
    };
    let entered = Arc::new(Notify::new());
    let enter = entered.clone();
    let hang = move || {
        enter.notify_one();
        std::future::pending::<()>()
    };
    let mut server = listening(Router::new().route("/", get(hang)), settings).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    timeout(SOON, entered.notified()).await.unwrap();
    server.stop.cancel();
    server.ended().await;
}

#[tokio::test]
async fn a_taken_port_is_told_apart() {
    let first = Server::bind(([127, 0, 0, 1], 0).into(), quick()).await.unwrap();
    let error = Server::bind(first.address(), quick()).await.unwrap_err();
    assert!(error.is_taken() && error.to_string().contains(&first.address().to_string()));
    let elsewhere = Server::bind(([192, 0, 2, 1], 0).into(), quick())
        .await
        .unwrap_err();
    assert!(!elsewhere.is_taken());
}
