//! One connection: hello, then frames both ways until one side ends it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use metrics::counter;
use nova_actors::Error;
use nova_actors::domain::{StreamId, User};
use nova_actors::runtime::metrics as names;
use nova_actors::streams::frame::{self, Limits, ResumeKind, Welcome};
use nova_actors::streams::{End, Joined, LogItem, Outbox, RESUME_WHY};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::WsContext;
use super::entry::{Begun, begin, join};
use super::limits::{Bucket, Violations};
use super::protocol::{CloseCode, MAX_CLIENT_FRAME};
use super::requests::Outcome;
use super::writer::{Exit, Incoming, Link};

/// How long before its token expires a client is told.
const EXPIRY_NOTICE: Duration = Duration::from_secs(60);
/// Reactions as clients are told to limit them.
const REACT_LIMIT: [u64; 2] = [10, 1_000];

/// Serves one upgraded connection to its end. `stream` is `None` when the path names none.
pub(super) async fn serve<S>(io: S, ctx: Arc<WsContext>, stream: Option<StreamId>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut link = Link::new(io, ctx.settings.write_deadline).await;
    let draining = ctx.draining.clone();
    // Boxed, so that the idle connection does not keep the room that only its beginning needs.
    let begun = tokio::select! {
        begun = Box::pin(begin(&mut link, &ctx, stream)) => begun,
        () = draining.cancelled() => Err(Exit::Close(CloseCode::Draining)),
    };
    let exit = match begun {
        Ok(begun) => {
            let mut session = Session::new(link, ctx, begun);
            let exit = session.run().await;
            // The viewer has left as soon as the outbox goes, not when the client has heard of it.
            link = session.into_link();
            exit
        }
        Err(exit) => exit,
    };
    let label = match exit {
        Exit::Close(code) => code.parts().1,
        Exit::Left => "client",
    };
    counter!(names::WS_CLOSED, "code" => label).increment(1);
    link.close(exit).await;
}

/// A connection after its hello.
pub(super) struct Session<S> {
    pub(super) link: Link<S>,
    pub(super) ctx: Arc<WsContext>,
    pub(super) stream: StreamId,
    pub(super) viewer: Option<User>,
    pub(super) expires: Option<Instant>,
    pub(super) warned: bool,
    pub(super) outbox: Outbox,
    /// What the room or the token check is asked; nothing is read meanwhile, which keeps the order of two
    /// messages of one connection.
    pub(super) asked: Option<BoxFuture<'static, Outcome>>,
    pub(super) chats: Bucket,
    pub(super) frames: Bucket,
    pub(super) violations: Violations,
    begun: Option<Box<Begin>>,
    sid: String,
    epoch: String,
    seq: u64,
    heard_at: Instant,
    pinged: bool,
}

/// What is written once.
struct Begin {
    welcome: Welcome,
    joined: Joined,
}

enum Event {
    Draining,
    Queued,
    Answered(Outcome),
    Read(Result<Incoming, Exit>),
    Due,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    fn new(link: Link<S>, ctx: Arc<WsContext>, begun: Begun) -> Self {
        let now = Instant::now();
        let Begun {
            stream,
            viewer,
            outbox,
            joined,
            sid,
            re,
        } = begun;
        let settings = &ctx.settings;
        let welcome = Welcome {
            re,
            sid: sid.clone(),
            epoch: joined.epoch.clone(),
            seq: joined.seq,
            resume: joined.resume,
            missed: joined.missed,
            hb_ms: millis(settings.heartbeat),
            lim: Limits {
                frame: MAX_CLIENT_FRAME,
                chat: [settings.chat.0.into(), millis(settings.chat.1)],
                react: REACT_LIMIT,
            },
            room: joined.room.clone(),
        };
        let (viewer, expires) = viewer.unzip();
        Self {
            link,
            stream,
            viewer,
            expires,
            warned: false,
            outbox,
            asked: None,
            chats: Bucket::new(settings.chat, now),
            frames: Bucket::new(settings.frames, now),
            violations: Violations::default(),
            sid,
            epoch: joined.epoch.clone(),
            seq: joined.seq,
            begun: Some(Box::new(Begin { welcome, joined })),
            heard_at: now,
            pinged: false,
            ctx,
        }
    }

    fn into_link(self) -> Link<S> {
        self.link
    }

    async fn run(&mut self) -> Exit {
        match self.serve().await {
            Err(exit) => exit,
            Ok(never) => match never {},
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Exit> {
        self.welcome().await?;
        let draining = self.ctx.draining.clone();
        let mut due = Box::pin(sleep_until(self.next_due()));
        loop {
            let event = {
                let Self {
                    link, outbox, asked, ..
                } = self;
                let idle = asked.is_none();
                tokio::select! {
                    () = draining.cancelled() => Event::Draining,
                    () = outbox.ready() => Event::Queued,
                    outcome = answer(asked) => Event::Answered(outcome),
                    read = link.read(), if idle => Event::Read(read),
                    () = due.as_mut() => Event::Due,
                }
            };
            match event {
                Event::Draining => return Err(Exit::Close(CloseCode::Draining)),
                Event::Queued => self.flush().await?,
                Event::Answered(outcome) => {
                    self.asked = None;
                    self.answered(outcome)?;
                }
                Event::Read(read) => self.heard(read?)?,
                Event::Due => self.time_passed().await?,
            }
            // Usually later than what the timer is set to, which then fires once for nothing.
            let next = self.next_due();
            if due.is_elapsed() || next < due.deadline() {
                due.as_mut().reset(next);
            }
        }
    }

    async fn welcome(&mut self) -> Result<(), Exit> {
        let Some(begin) = self.begun.take() else {
            return Ok(());
        };
        self.link
            .write([frame::welcome(&begin.welcome).map_err(internal)?])
            .await?;
        self.replay(begin.joined).await
    }

    /// Long replays are written piece by piece, each with its own deadline.
    async fn replay(&mut self, joined: Joined) -> Result<(), Exit> {
        for log in joined.replay {
            self.link.write([log.frame]).await?;
        }
        self.seq = joined.seq;
        Ok(())
    }

    fn heard(&mut self, incoming: Incoming) -> Result<(), Exit> {
        let now = Instant::now();
        self.heard_at = now;
        self.pinged = false;
        let fits = self.frames.take(now);
        match incoming {
            Incoming::Text(text) => self.request(&text, fits),
            Incoming::Control => match fits {
                Ok(()) => Ok(()),
                Err(_) => self.violation(),
            },
        }
    }

    /// Counts a violation of a limit.
    pub(super) fn violation(&mut self) -> Result<(), Exit> {
        if self.violations.note(Instant::now()) {
            return Err(Exit::Close(CloseCode::Flooding));
        }
        Ok(())
    }

    /// Writes what is queued; then does what the room's side has come to.
    async fn flush(&mut self) -> Result<(), Exit> {
        let taken = self.outbox.take();
        let mut frames = taken.control;
        let mut seq = self.seq;
        for item in taken.log {
            match item {
                LogItem::Frame(log) => {
                    seq = log.last;
                    frames.push(log.frame);
                }
                LogItem::Skip(missed) => {
                    seq = missed.to;
                    frames.push(frame::skip(missed, "slow").map_err(internal)?);
                }
            }
        }
        frames.extend(taken.state);
        if !frames.is_empty() {
            self.link.write(frames).await?;
            self.seq = seq;
        }
        match taken.end {
            None => Ok(()),
            Some(End::Closed(reason)) => Err(Exit::Close(reason.into())),
            Some(End::Lost) => Box::pin(self.rejoin()).await,
        }
    }

    /// The room's side was lost. The viewer sees neither a hole nor a repeat: it goes on after the last event
    /// that was written.
    async fn rejoin(&mut self) -> Result<(), Exit> {
        let resume = (self.epoch.clone(), self.seq);
        let ctx = Arc::clone(&self.ctx);
        let who = (self.sid.as_str(), self.viewer.as_ref());
        let (outbox, joined) = tokio::select! {
            joined = join(&ctx, self.stream, who, Some(&resume)) => joined?,
            () = ctx.draining.cancelled() => return Err(Exit::Close(CloseCode::Draining)),
        };
        self.outbox = outbox;
        if joined.epoch != self.epoch {
            return Err(Exit::Close(CloseCode::EpochChanged));
        }
        if joined.resume == ResumeKind::Fresh {
            return Err(Exit::Close(CloseCode::HistoryLost));
        }
        if let Some(missed) = joined.missed {
            self.link
                .write([frame::skip(missed, RESUME_WHY).map_err(internal)?])
                .await?;
        }
        self.replay(joined).await
    }

    fn next_due(&self) -> Instant {
        let heartbeat = self.ctx.settings.heartbeat;
        let keepalive = self.link.sent_at() + heartbeat;
        let silence = self.heard_at + if self.pinged { heartbeat * 2 } else { heartbeat };
        let due = keepalive.min(silence);
        match self.expires {
            Some(at) if self.warned => due.min(at),
            Some(at) => due.min(at.checked_sub(EXPIRY_NOTICE).unwrap_or(at)),
            None => due,
        }
    }

    async fn time_passed(&mut self) -> Result<(), Exit> {
        let now = Instant::now();
        let heartbeat = self.ctx.settings.heartbeat;
        if let Some(at) = self.expires {
            if now >= at {
                return Err(Exit::Close(CloseCode::TokenExpired));
            }
            if !self.warned && at - now <= EXPIRY_NOTICE {
                self.warned = true;
                let notice = frame::expiring(millis(at - now)).map_err(internal)?;
                self.link.write([notice]).await?;
            }
        }
        let silent = now.duration_since(self.heard_at);
        if silent >= heartbeat * 2 {
            return Err(Exit::Close(CloseCode::NoHeartbeat));
        }
        if silent >= heartbeat && !self.pinged {
            self.pinged = true;
            self.link.ping().await?;
        }
        if now.duration_since(self.link.sent_at()) >= heartbeat {
            let keepalive = frame::keepalive(self.ctx.streams.now()).map_err(internal)?;
            self.link.write([keepalive]).await?;
        }
        Ok(())
    }
}

async fn answer(asked: &mut Option<BoxFuture<'static, Outcome>>) -> Outcome {
    match asked {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

pub(super) fn internal(error: Error) -> Exit {
    tracing::error!(%error, "a frame could not be made");
    Exit::Close(CloseCode::Internal)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
