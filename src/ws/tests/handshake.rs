//! The upgrade over real TCP.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::*;

async fn serve(settings: WsSettings) -> (Scene, SocketAddr) {
    let scene = Scene::with(settings).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(Arc::clone(&scene.ctx));
    scene.ctx.tracker.spawn(async move {
        let _ = axum::serve(listener, app).await;
    });
    (scene, address)
}

/// Status line and head of the answer to a handshake with these extra header lines.
async fn answer(address: SocketAddr, path: &str, headers: &[&str]) -> String {
    open(address, path, headers).await.0
}

async fn open(address: SocketAddr, path: &str, headers: &[&str]) -> (String, TcpStream) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{}\r\n\r\n",
        headers.join("\r\n")
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    timeout(Duration::from_secs(10), async {
        while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
            seen.push(socket.read_u8().await.unwrap());
        }
    })
    .await
    .expect("answered");
    (String::from_utf8(seen).unwrap(), socket)
}

const GOOD: [&str; 5] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: nova.v1",
];

#[tokio::test]
async fn a_real_client_is_upgraded_to_the_subprotocol_and_welcomed() {
    let (scene, address) = serve(WsSettings::default()).await;
    let url = format!("ws://{address}/ws/v1/streams/{}", scene.stream.id);
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL.parse().unwrap());
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut ws, response) = tokio_tungstenite::client_async(request, socket).await.unwrap();
    assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], SUBPROTOCOL);
    ws.send(Message::text(r#"{"op":"hello","id":1}"#)).await.unwrap();
    let welcome = timeout(Duration::from_secs(10), ws.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(welcome.to_text().unwrap().contains("\"welcome\""), "{welcome}");
    ws.send(Message::text("nonsense")).await.unwrap();
    loop {
        let next = timeout(Duration::from_secs(10), ws.next()).await.unwrap();
        if let Some(Ok(Message::Close(Some(close)))) = next {
            assert_eq!(u16::from(close.code), 4400);
            return;
        }
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_ours_is_refused_with_its_status() {
    let (scene, address) = serve(WsSettings::default()).await;
    let path = format!("/ws/v1/streams/{}", scene.stream.id);
    let foreign = [&GOOD[..], &["Origin: https://evil.example"]].concat();
    let own = format!("Origin: http://{address}");
    let own = [&GOOD[..], &[own.as_str()]].concat();
    for (headers, status) in [
        (&GOOD[..], "101"),
        (&own, "101"),
        (&GOOD[..4], "400"),
        (&GOOD[1..], "400"),
        (&[], "400"),
        (&foreign, "403"),
    ] {
        let head = answer(address, &path, headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{headers:?}: {head}"
        );
    }
    let head = answer(address, "/ws/v1/streams/no-id", &GOOD).await;
    assert!(head.starts_with("HTTP/1.1 101"), "told after the hello: {head}");
}

#[tokio::test]
async fn one_connection_too_many_is_refused_until_another_ends() {
    let settings = WsSettings {
        max_connections: 1,
        ..WsSettings::default()
    };
    let (scene, address) = serve(settings).await;
    let path = format!("/ws/v1/streams/{}", scene.stream.id);
    let (head, first) = open(address, &path, &GOOD).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(answer(address, &path, &GOOD).await.starts_with("HTTP/1.1 503"));
    drop(first);
    timeout(Duration::from_secs(10), async {
        while !answer(address, &path, &GOOD).await.starts_with("HTTP/1.1 101") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("free again");
}
