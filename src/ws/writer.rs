//! The socket of one connection: writes with a deadline, reads with their errors classified, and a close that
//! the client gets to see.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nova_actors::streams::frame::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};

use super::protocol::{CloseCode, MAX_CLIENT_FRAME};

/// Allocated for every connection; a longer frame makes it grow.
const READ_BUFFER: usize = 1_024;
/// Frames are gathered up to here before they are written.
const WRITE_BUFFER: usize = 8 * 1_024;
/// Room for the longest server frame on top of a write buffer that is not yet flushed.
const MOST_WRITE_BUFFER: usize = 160 * 1_024;
/// How long a closed connection may take to hear of it.
const LINGER: Duration = Duration::from_secs(4);

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The server closes it.
    Close(CloseCode),
    /// The client closed it, or it broke.
    Left,
}

/// What a client sent.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(Utf8Bytes),
    /// A ping or pong: a sign of life.
    Control,
}

/// A socket with its deadlines.
#[derive(Debug)]
pub(super) struct Link<S> {
    ws: WebSocketStream<S>,
    deadline: Duration,
    sent_at: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// The server's side of an upgraded connection.
    pub(super) async fn new(io: S, deadline: Duration) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(MOST_WRITE_BUFFER)
            .max_message_size(Some(MAX_CLIENT_FRAME))
            .max_frame_size(Some(MAX_CLIENT_FRAME));
        Self {
            ws: WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
            deadline,
            sent_at: Instant::now(),
        }
    }

    /// When the last frame was sent.
    pub(super) const fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// The next frame of the client. Loses nothing when cancelled.
    pub(super) async fn read(&mut self) -> Result<Incoming, Exit> {
        match self.ws.next().await {
            Some(Ok(Message::Text(text))) => Ok(Incoming::Text(text)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Incoming::Control),
            Some(Ok(Message::Binary(_))) => Err(Exit::Close(CloseCode::BadFrame)),
            Some(Ok(Message::Close(_) | Message::Frame(_))) | None => Err(Exit::Left),
            Some(Err(error)) => Err(classify(&error)),
        }
    }

    /// Writes all frames with one flush. A client that does not take them in time is slow.
    pub(super) async fn write(&mut self, frames: impl IntoIterator<Item = Frame>) -> Result<(), Exit> {
        let work = async {
            for frame in frames {
                let text = Utf8Bytes::try_from(frame.bytes().clone())
                    .map_err(|_| Exit::Close(CloseCode::Internal))?;
                self.ws.feed(Message::Text(text)).await.map_err(|_| Exit::Left)?;
            }
            self.ws.flush().await.map_err(|_| Exit::Left)
        };
        timeout(self.deadline, work)
            .await
            .unwrap_or(Err(Exit::Close(CloseCode::Slow)))?;
        self.sent_at = Instant::now();
        Ok(())
    }

    /// Asks a silent client for a sign of life, which browsers give by themselves.
    pub(super) async fn ping(&mut self) -> Result<(), Exit> {
        timeout(self.deadline, self.ws.send(Message::Ping(Bytes::new())))
            .await
            .map_or(Err(Exit::Close(CloseCode::Slow)), |sent| {
                sent.map_err(|_| Exit::Left)
            })
    }

    /// Tells the client why, and waits a moment until it has heard: closing a socket with unread input would
    /// take back what was just written.
    pub(super) async fn close(mut self, exit: Exit) {
        let work = async {
            if let Exit::Close(code) = exit {
                let (number, _, reason) = code.parts();
                let frame = CloseFrame {
                    code: number.into(),
                    reason: reason.into(),
                };
                if self.ws.close(Some(frame)).await.is_err() {
                    return;
                }
            } else if self.ws.flush().await.is_err() {
                return;
            }
            loop {
                match self.ws.next().await {
                    Some(Ok(_)) => {}
                    None => return,
                    Some(Err(_)) => break,
                }
            }
            // What follows an unreadable frame cannot be understood, only thrown away.
            let io = self.ws.get_mut();
            let mut discard = [0; 512];
            let _ = io.shutdown().await;
            while io.read(&mut discard).await.is_ok_and(|n| n > 0) {}
        };
        let _ = timeout(LINGER, work).await;
    }
}

fn classify(error: &WsError) -> Exit {
    match error {
        WsError::Capacity(_) => Exit::Close(CloseCode::FrameTooLarge),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
            Exit::Left
        }
        WsError::Protocol(_) | WsError::Utf8(_) => Exit::Close(CloseCode::BadFrame),
        _ => Exit::Left,
    }
}
