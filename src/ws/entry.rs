//! The beginning of a connection: its hello, who it is, and the way into the room.

use std::time::Duration;

use nova_actors::domain::{StreamId, Timestamp, User};
use nova_actors::runtime::retry::RetrySettings;
use nova_actors::streams::{JoinRequest, Joined, Outbox, outbox};
use nova_actors::{Error, Kind};
use serde_json::Number;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::WsContext;
use super::protocol::{ClientFrame, CloseCode, Hello, parse};
use super::writer::{Exit, Incoming, Link};

/// Longest wait for the check of a token.
pub(super) const AUTH_DEADLINE: Duration = Duration::from_secs(5);

/// A viewer who is in.
pub(super) struct Begun {
    pub(super) stream: StreamId,
    pub(super) viewer: Option<(User, Instant)>,
    pub(super) outbox: Outbox,
    pub(super) joined: Joined,
    pub(super) sid: String,
    pub(super) re: Option<Number>,
}

pub(super) async fn begin<S>(
    link: &mut Link<S>,
    ctx: &WsContext,
    stream: Option<StreamId>,
) -> Result<Begun, Exit>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let deadline = Instant::now() + ctx.settings.hello_deadline;
    let hello = timeout_at(deadline, first_frame(link))
        .await
        .unwrap_or(Err(Exit::Close(CloseCode::NoHello)))?;
    let viewer = match &hello.token {
        None => None,
        Some(token) => {
            let checked = timeout(AUTH_DEADLINE, ctx.auth.authenticate(token)).await;
            let (user, expiry) = match checked {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => return Err(Exit::Close(token_code(&error))),
                Err(_) => return Err(Exit::Close(CloseCode::OverCapacity)),
            };
            Some((user, expires_at(ctx, expiry)))
        }
    };
    let stream = stream.ok_or(Exit::Close(CloseCode::NoSuchStream))?;
    let user = viewer.as_ref().map(|(user, _)| user);
    let sid = format!("{:016x}", rand::random::<u64>());
    let (outbox, joined) = join(ctx, stream, (&sid, user), hello.resume.as_ref()).await?;
    Ok(Begun {
        stream,
        viewer,
        outbox,
        joined,
        sid,
        re: hello.id,
    })
}

async fn first_frame<S>(link: &mut Link<S>) -> Result<Hello, Exit>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        if let Incoming::Text(text) = link.read().await? {
            return match parse(&text) {
                Ok(ClientFrame::Hello(hello)) => Ok(hello),
                _ => Err(Exit::Close(CloseCode::BadFrame)),
            };
        }
    }
}

pub(super) fn token_code(error: &Error) -> CloseCode {
    match error.kind() {
        Kind::Unauthorized | Kind::Forbidden | Kind::Validation(_) => CloseCode::BadToken,
        _ if error.retryable() => CloseCode::OverCapacity,
        _ => CloseCode::Internal,
    }
}

pub(super) fn expires_at(ctx: &WsContext, expiry: Timestamp) -> Instant {
    Instant::now() + expiry.since(ctx.streams.now())
}

/// Joins the room; one that is being restarted is asked again until the deadline.
pub(super) async fn join(
    ctx: &WsContext,
    stream: StreamId,
    (sid, viewer): (&str, Option<&User>),
    resume: Option<&(String, u64)>,
) -> Result<(Outbox, Joined), Exit> {
    let give_up = Instant::now() + ctx.settings.rejoin_deadline;
    let retry = RetrySettings {
        base_ms: 50,
        cap_ms: 1_000,
        ..RetrySettings::default()
    };
    let mut pauses = retry.pauses();
    loop {
        // A join that failed may still arrive; it must not write to the outbox of the next one.
        let (writer, reader) = outbox();
        let request = JoinRequest {
            sid: sid.to_owned(),
            viewer: viewer.cloned(),
            resume: resume.cloned(),
            outbox: writer,
        };
        let error = match ctx.streams.join(stream, request).await {
            Ok(joined) => return Ok((reader, joined)),
            Err(error) => error,
        };
        let pause = pauses.next_pause();
        let code = match error.kind() {
            Kind::NotFound => CloseCode::NoSuchStream,
            Kind::StreamEnded => CloseCode::Ended,
            _ if error.retryable() && Instant::now() + pause < give_up => {
                sleep(pause).await;
                continue;
            }
            _ if error.retryable() => CloseCode::OverCapacity,
            _ => {
                tracing::error!(%stream, %error, "viewer could not join");
                CloseCode::Internal
            }
        };
        return Err(Exit::Close(code));
    }
}
