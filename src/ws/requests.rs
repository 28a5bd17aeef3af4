//! What a client may ask after its hello, and what it is answered.

use std::time::Duration;

use nova_actors::domain::room::MAX_CHAT;
use nova_actors::domain::{Timestamp, User};
use nova_actors::streams::frame::{self, ErrBody};
use nova_actors::streams::{ChatRequest, Said};
use nova_actors::{Error, Kind};
use serde_json::Number;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::entry::{AUTH_DEADLINE, expires_at, token_code};
use super::protocol::{ClientFrame, CloseCode, Malformed, parse};
use super::session::{Session, internal};
use super::writer::Exit;

/// The outcome of something that was asked.
pub(super) enum Outcome {
    Chat(Option<Number>, Result<Said, Error>),
    Auth(Option<Number>, Result<(User, Timestamp), Error>),
}

/// Why a request is refused.
struct Refused {
    code: &'static str,
    field: Option<&'static str>,
    retry: Option<Duration>,
    temp: bool,
}

impl Refused {
    const fn because(code: &'static str) -> Self {
        Self {
            code,
            field: None,
            retry: None,
            temp: false,
        }
    }

    const fn field(field: &'static str) -> Self {
        Self {
            field: Some(field),
            ..Self::because("bad_frame")
        }
    }

    fn too_fast(wait: Duration) -> Self {
        Self {
            retry: Some(wait),
            temp: true,
            ..Self::because("rate_limited")
        }
    }

    fn from_error(error: &Error) -> Self {
        match error.kind() {
            Kind::Validation(_) => Self::field("x"),
            Kind::StreamEnded => Self::because("ended"),
            Kind::NotFound => Self::because("not_found"),
            Kind::Forbidden => Self::because("forbidden"),
            Kind::RateLimited(wait) => Self::too_fast(*wait),
            _ if error.retryable() => Self {
                temp: true,
                ..Self::because("unavailable")
            },
            _ => {
                tracing::error!(%error, "a viewer's request failed");
                Self::because("internal")
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// One text frame. `fits`: whether it keeps within the rate of all frames.
    pub(super) fn request(&mut self, text: &str, fits: Result<(), Duration>) -> Result<(), Exit> {
        let frame = parse(text);
        if let Err(wait) = fits {
            let id = match frame {
                Ok(
                    ClientFrame::Chat { id, .. } | ClientFrame::Auth { id, .. } | ClientFrame::Unknown { id },
                )
                | Err(Malformed::Field { id, .. }) => id,
                _ => None,
            };
            self.refuse(id, Refused::too_fast(wait))?;
            return self.violation();
        }
        match frame {
            Ok(ClientFrame::Chat { id, key, text }) => self.chat(id, key, text),
            Ok(ClientFrame::Beat { watching }) => {
                self.outbox.beat(watching);
                Ok(())
            }
            Ok(ClientFrame::Auth { id, token }) => {
                let ctx = std::sync::Arc::clone(&self.ctx);
                self.asked = Some(Box::pin(async move {
                    let checked = timeout(AUTH_DEADLINE, ctx.auth.authenticate(&token)).await;
                    let checked = checked.unwrap_or_else(|_| Err(Error::unavailable("sign-in")));
                    Outcome::Auth(id, checked)
                }));
                Ok(())
            }
            Ok(ClientFrame::Hello(hello)) => self.refuse(hello.id, Refused::field("op")),
            Ok(ClientFrame::Unknown { id }) => self.refuse(id, Refused::because("unknown_op")),
            Err(Malformed::Field { id, field }) => self.refuse(id, Refused::field(field)),
            Err(Malformed::NotAnObject) => Err(Exit::Close(CloseCode::BadFrame)),
        }
    }

    fn chat(&mut self, id: Option<Number>, key: Option<String>, text: String) -> Result<(), Exit> {
        let Some(viewer) = self.viewer.clone() else {
            return self.refuse(id, Refused::because("auth_required"));
        };
        if text.trim().is_empty() {
            return self.refuse(id, Refused::because("empty"));
        }
        if text.chars().count() > MAX_CHAT {
            return self.refuse(id, Refused::because("too_long"));
        }
        if let Err(wait) = self.chats.take(Instant::now()) {
            self.refuse(id, Refused::too_fast(wait))?;
            return self.violation();
        }
        let (streams, stream) = (self.ctx.streams.clone(), self.stream);
        let chat = ChatRequest { viewer, key, text };
        self.asked = Some(Box::pin(async move {
            Outcome::Chat(id, streams.say(stream, chat).await)
        }));
        Ok(())
    }

    /// Answers what was asked.
    pub(super) fn answered(&mut self, outcome: Outcome) -> Result<(), Exit> {
        match outcome {
            Outcome::Chat(id, Ok(said)) => {
                let ok = frame::ok(id.as_ref(), Some((said.m, said.seq))).map_err(internal)?;
                self.outbox.push_control(ok);
                Ok(())
            }
            Outcome::Chat(id, Err(error)) => self.refuse(id, Refused::from_error(&error)),
            Outcome::Auth(id, Ok((user, expiry))) => self.renewed(id, user, expiry),
            Outcome::Auth(id, Err(error)) if error.retryable() => {
                self.refuse(id, Refused::from_error(&error))
            }
            Outcome::Auth(_, Err(error)) => Err(Exit::Close(token_code(&error))),
        }
    }

    /// A viewer without a name takes one; one with a name keeps it.
    fn renewed(&mut self, id: Option<Number>, user: User, expiry: Timestamp) -> Result<(), Exit> {
        if self.viewer.as_ref().is_some_and(|viewer| viewer.id != user.id) {
            return self.refuse(id, Refused::because("forbidden"));
        }
        self.viewer = Some(user);
        self.expires = Some(expires_at(&self.ctx, expiry));
        self.warned = false;
        self.outbox
            .push_control(frame::ok(id.as_ref(), None).map_err(internal)?);
        Ok(())
    }

    fn refuse(&mut self, re: Option<Number>, refused: Refused) -> Result<(), Exit> {
        let body = ErrBody {
            re,
            code: refused.code,
            field: refused.field,
            retry_ms: refused
                .retry
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            temp: refused.temp,
        };
        self.outbox.push_control(frame::err(&body).map_err(internal)?);
        Ok(())
    }
}
