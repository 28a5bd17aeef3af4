//! The composition root: configuration in, running program out.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::listen::listen;

/// What only `nova dev` decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevOptions {
    /// Whether the demo world is made.
    pub seed: bool,
    /// Whether the demo world's rooms talk.
    pub demo_chat: bool,
}

/// Everything that runs in this process, ready to serve.
#[derive(Debug)]
pub struct App {
    http: TcpListener,
    internal: TcpListener,
    http_addr: SocketAddr,
    internal_addr: SocketAddr,
}

impl App {
    /// Opens the listeners.
    ///
    /// # Errors
    /// A dependency failure that names what is missing or taken.
    pub async fn build(config: &Config, _data: &DataDir, _options: DevOptions) -> Result<Self, Failure> {
        let http = listen(config.http.bind, "--bind", "http.bind").await?;
        let internal = listen(config.internal.bind, "--internal-bind", "internal.bind").await?;
        let addr = |listener: &TcpListener| {
            listener
                .local_addr()
                .map_err(|e| Failure::dependency(e.to_string()))
        };
        let (http_addr, internal_addr) = (addr(&http)?, addr(&internal)?);
        Ok(Self {
            http,
            internal,
            http_addr,
            internal_addr,
        })
    }

    /// Address of the public listener.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Address of the internal listener.
    #[must_use]
    pub const fn internal_addr(&self) -> SocketAddr {
        self.internal_addr
    }

    /// Serves until `shutdown`, then stops in order.
    ///
    /// # Errors
    /// A failure of something that the program cannot do without.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Failure> {
        shutdown.cancelled().await;
        drop((self.http, self.internal));
        Ok(())
    }
}

/// The OpenAPI document of what is served.
///
/// # Errors
/// An internal failure when it cannot be written as JSON.
pub fn openapi() -> Result<String, Failure> {
    Err(Failure::internal("the HTTP layer is not part of this build"))
}
