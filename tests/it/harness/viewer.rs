//! A viewer of a room: the protocol `nova.v1` as a client speaks it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::Api;
use super::wait::PATIENCE;

/// A sequenced event as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// What a viewer hears next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Frame(Value),
    /// The server closed with a code, or the connection broke without one.
    Closed(Option<u16>),
}

/// A connection to a room. It checks on its own that no sequence number is lost or comes twice, and keeps
/// everything that it was told.
pub(crate) struct Viewer {
    socket: WebSocketStream<TcpStream>,
    next_id: u64,
    pub(crate) welcome: Value,
    /// Newest sequence number that was delivered, or skipped with notice.
    pub(crate) seq: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) skipped: u64,
    pub(crate) states: Vec<Value>,
    answers: HashMap<u64, Value>,
}

/// Opens a WebSocket on a path with a subprotocol and headers of one's choice.
pub(crate) async fn handshake(
    api: &Api,
    path: &str,
    protocol: Option<&str>,
    headers: &[(&str, &str)],
) -> Result<WebSocketStream<TcpStream>, WsError> {
    let uri = format!("ws://{}{path}", api.public());
    let mut request = ClientRequestBuilder::new(uri.parse().unwrap());
    if let Some(protocol) = protocol {
        request = request.with_sub_protocol(protocol);
    }
    for (name, value) in headers {
        request = request.with_header(*name, *value);
    }
    let stream = TcpStream::connect(api.public()).await.map_err(WsError::Io)?;
    stream.set_nodelay(true).map_err(WsError::Io)?;
    let opened = timeout(PATIENCE, client_async(request, stream)).await;
    let (socket, response) = opened.expect("an answer to the handshake")?;
    let chosen = response.headers().get("sec-websocket-protocol");
    assert_eq!(chosen.map(|value| value.to_str().unwrap()), protocol);
    Ok(socket)
}

impl Viewer {
    /// Connects, and says nothing yet.
    pub(crate) async fn connect(api: &Api, stream: &str) -> Self {
        Self::try_connect(api, stream).await.expect("a WebSocket")
    }

    /// Connects if the server is there.
    pub(crate) async fn try_connect(api: &Api, stream: &str) -> Result<Self, WsError> {
        let path = format!("/ws/v1/streams/{stream}");
        let socket = handshake(api, &path, Some("nova.v1"), &[]).await?;
        Ok(Self {
            socket,
            next_id: 1,
            welcome: Value::Null,
            seq: 0,
            events: Vec::new(),
            skipped: 0,
            states: Vec::new(),
            answers: HashMap::new(),
        })
    }

    /// Enters a room without a token.
    pub(crate) async fn anonymous(api: &Api, stream: &str) -> Self {
        let mut viewer = Self::connect(api, stream).await;
        viewer.hello(None, None).await;
        viewer
    }

    /// Says hello and must be welcome.
    pub(crate) async fn hello(&mut self, token: Option<&str>, resume: Option<(&str, u64)>) -> Value {
        match self.try_hello(token, resume).await {
            Heard::Frame(welcome) => welcome,
            Heard::Closed(code) => panic!("hello was answered by closing with {code:?}"),
        }
    }

    /// Says hello; answers the welcome or how the server closed instead.
    pub(crate) async fn try_hello(&mut self, token: Option<&str>, resume: Option<(&str, u64)>) -> Heard {
        let id = self.next_id();
        let mut hello = json!({ "op": "hello", "id": id });
        if let Some(token) = token {
            hello["token"] = token.into();
        }
        if let Some((epoch, seq)) = resume {
            hello["resume"] = json!({ "epoch": epoch, "seq": seq });
        }
        self.send(&hello).await;
        let heard = self.hear().await;
        if let Heard::Frame(welcome) = &heard {
            assert_eq!(welcome["op"], "welcome", "the first frame: {welcome}");
            assert_eq!(welcome["re"], id, "{welcome}");
            self.seq = match (welcome["resume"].as_str(), resume) {
                (Some("ok"), Some((_, seq))) => seq,
                (Some("gap"), Some(_)) => number(&welcome["missed"]["to"]),
                (Some("fresh"), _) => number(&welcome["seq"]),
                other => panic!("resume in {welcome} after {other:?}"),
            };
            self.welcome = welcome.clone();
        }
        heard
    }

    /// Names the sequence.
    pub(crate) fn epoch(&self) -> String {
        let epoch = self.welcome["epoch"].as_str();
        epoch.expect("an epoch in the welcome").to_owned()
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends a frame; when the connection is gone, the next thing heard says so.
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_message(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        let _gone = self.socket.send(message).await;
    }

    /// The next frame, or the end. Waits with patience only.
    pub(crate) async fn hear(&mut self) -> Heard {
        let heard = timeout(PATIENCE, self.next()).await;
        heard.expect("a frame, or the end of the connection")
    }

    async fn next(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                    self.note(&frame);
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Close(close))) => {
                    return Heard::Closed(close.map(|close| close.code.into()));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("a frame that the protocol does not have: {other:?}"),
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    fn note(&mut self, frame: &Value) {
        if let Some(re) = frame["re"].as_u64() {
            self.answers.insert(re, frame.clone());
        }
        match frame["op"].as_str() {
            Some("log") => self.note_events(frame),
            Some("skip") => {
                let (first, last) = (number(&frame["seq"][0]), number(&frame["seq"][1]));
                assert_eq!(first, self.seq + 1, "a skip that is not next: {frame}");
                self.skipped += last - first + 1;
                self.seq = last;
            }
            Some("state") => self.states.push(frame.clone()),
            Some(_) => {}
            None => panic!("a frame without op: {frame}"),
        }
    }

    fn note_events(&mut self, frame: &Value) {
        let (first, last) = (number(&frame["seq"][0]), number(&frame["seq"][1]));
        let entries = frame["ev"].as_array().expect("ev");
        assert_eq!(
            first,
            self.seq + 1,
            "lost or repeated events after {}: {frame}",
            self.seq
        );
        assert_eq!(entries.len() as u64, last - first + 1, "{frame}");
        for (seq, entry) in (first..).zip(entries) {
            let name = entry[0].as_str().expect("an event has a name").to_owned();
            self.events.push(Event {
                seq,
                name,
                body: entry[1].clone(),
            });
        }
        self.seq = last;
    }

    /// Sends a request and waits for its answer, `ok` or `err`.
    pub(crate) async fn request(&mut self, frame: Value) -> Value {
        match self.try_request(frame).await {
            Heard::Frame(answer) => answer,
            Heard::Closed(code) => panic!("closed with {code:?} instead of an answer"),
        }
    }

    /// Sends a request; answers `ok` or `err`, or that the connection ended first.
    pub(crate) async fn try_request(&mut self, mut frame: Value) -> Heard {
        let id = self.next_id();
        frame["id"] = id.into();
        self.send(&frame).await;
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return Heard::Frame(answer);
            }
            if let Heard::Closed(code) = self.hear().await {
                return Heard::Closed(code);
            }
        }
    }

    /// Says something; the answer.
    pub(crate) async fn chat(&mut self, key: &str, text: &str) -> Value {
        self.request(json!({ "op": "chat", "key": key, "x": text })).await
    }

    /// Says something that must be accepted; its id and its place.
    pub(crate) async fn says(&mut self, key: &str, text: &str) -> (String, u64) {
        let answer = self.chat(key, text).await;
        assert_eq!(answer["op"], "ok", "{answer}");
        (
            answer["m"].as_str().expect("m").to_owned(),
            number(&answer["seq"]),
        )
    }

    /// Listens until `seen` holds.
    pub(crate) async fn until(&mut self, what: &str, within: Duration, seen: impl Fn(&Self) -> bool) {
        let listening = async {
            while !seen(self) {
                if let Heard::Closed(code) = self.next().await {
                    panic!("{what}: closed with {code:?} before");
                }
            }
        };
        if timeout(within, listening).await.is_err() {
            let (seq, state) = (self.seq, self.states.last());
            panic!("{what}: not within {within:?}; newest event {seq}, state {state:?}");
        }
    }

    /// Listens until the event with this number has been delivered.
    pub(crate) async fn until_seq(&mut self, seq: u64) {
        let what = format!("event {seq}");
        self.until(&what, PATIENCE, |viewer| viewer.seq >= seq).await;
    }

    /// Listens until the server closes; the code.
    pub(crate) async fn closes(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code.expect("a close code");
            }
        }
    }

    /// Listens until a pong comes; what it carries.
    pub(crate) async fn hears_pong(&mut self) -> Bytes {
        let listening = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Pong(payload))) => return payload,
                    Some(Ok(_)) => {}
                    other => panic!("the connection ended before the pong: {other:?}"),
                }
            }
        };
        timeout(PATIENCE, listening).await.expect("a pong")
    }

    /// Viewers as the room last told.
    pub(crate) fn viewers(&self) -> Option<u64> {
        self.states.last().and_then(|state| state["viewers"].as_u64())
    }

    /// Leaves the way a browser does.
    pub(crate) async fn leave(mut self) {
        let _gone = self.socket.close(None).await;
        let ends = async { while !matches!(self.next().await, Heard::Closed(_)) {} };
        timeout(PATIENCE, ends).await.expect("the close is answered");
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}
