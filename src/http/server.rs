//! The accept loop: bounded connections, deadlines for silent sockets and slow heads, a graceful end.
//!
//! `axum::serve` has none of these. A connection that was upgraded is in the hands of whoever upgraded it: it is
//! no longer counted here and not waited for, so who upgrades has a bound and an end of its own.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Concurrent requests of one HTTP/2 connection.
const STREAMS_PER_CONNECTION: u32 = 128;
/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// Pause after an accept that failed for lack of resources: it doubles up to the second value.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Limits of one listener.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Open connections; beyond that the kernel's queue holds them.
    pub max_connections: usize,
    /// Time for the first request to be complete up to its body: silent sockets are closed after it.
    pub silent_deadline: Duration,
    /// Time for the head of every request, and for how long a connection may be idle.
    pub head_deadline: Duration,
    /// Time for requests in work to finish once the end was asked for.
    pub drain: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            silent_deadline: Duration::from_secs(10),
            head_deadline: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why an address could not be listened on.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl BindError {
    /// Whether someone else listens there.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Bytes that the kernel keeps for a connection whose peer does not read; Linux doubles it.
const SEND_BUFFER: u32 = 128 * 1_024;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// A listener that is bound and does not accept yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: ServerSettings,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`BindError`] when that is not possible.
    pub async fn bind(address: SocketAddr, settings: ServerSettings) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            settings,
        })
    }

    /// The address with its real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts and serves until `stop`, then lets requests in work finish within the drain time. Returns when
    /// no connection is left that was not upgraded.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let permits = Arc::new(Semaphore::new(self.settings.max_connections));
        let serving = Serving {
            router,
            settings: self.settings,
            tracker: connections.clone(),
            stop: stop.clone(),
        };
        let mut pause = ACCEPT_PAUSE.0;
        loop {
            let (stream, peer, permit) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &permits) => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) if concerns_one_connection(&error) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "connections cannot be accepted now");
                        sleep(pause).await;
                        pause = (pause * 2).min(ACCEPT_PAUSE.1);
                        continue;
                    }
                },
            };
            pause = ACCEPT_PAUSE.0;
            let connection = serving.clone().connection(stream, peer);
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        drop(self.listener);
        connections.close();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Connections inherit the bounded send buffer. Left alone it grows to megabytes for a peer that reads nothing,
/// and a stalled viewer looks well until it is full.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As the standard library does, where it does: elsewhere the option means something else.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The connection that was waiting is gone; the listener is well.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// What every connection shares.
#[derive(Clone)]
struct Serving {
    router: Router,
    settings: ServerSettings,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Serving {
    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let asked = Arc::clone(&asked);
            let router = self.router.clone();
            move |mut request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(ConnectInfo(peer));
                answer(router.clone(), request)
            }
        });
        let builder = self.builder();
        let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let silent = async {
            sleep(self.settings.silent_deadline).await;
            // Once a request has come, hyper's own deadlines hold.
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = silent => return,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                match timeout(self.settings.drain, connection).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        tracing::warn!(peer = %peer, "a connection was cut off at the end");
                        return;
                    }
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "connection ended");
        }
    }

    fn builder(&self) -> auto::Builder<TrackedTasks> {
        let mut builder = auto::Builder::new(TrackedTasks(self.tracker.clone()));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.head_deadline)
            .max_buf_size(MAX_HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .keep_alive_interval(self.settings.head_deadline)
            .keep_alive_timeout(self.settings.head_deadline);
        builder
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    router.oneshot(request.map(Body::new)).await
}

/// Runs what HTTP/2 needs beside the connection itself.
#[derive(Debug, Clone)]
struct TrackedTasks(TaskTracker);

impl<F> Executor<F> for TrackedTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_noticed_before_a_megabyte() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (silent, (stream, _)) = (silent.unwrap(), accepted.unwrap());
        let mut taken = 0;
        // The kernel grows the buffers it may grow while data moves, so give it time between writes.
        while let Ok(Ok(())) = timeout(std::time::Duration::from_millis(500), stream.writable()).await {
            match stream.try_write(&[0; 4_096]) {
                Ok(n) => taken += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            assert!(taken < 1_024 * 1_024, "{taken} bytes and still taking");
        }
        assert!(taken > 0);
        drop(silent);
    }
}
