//! The composition root: configuration in, running program out. Production and tests start the same thing.

mod dependencies;
mod settings;
mod tokens;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use nova_actors::ports::Clock;
use nova_actors::runtime::GroupSpec;
use nova_actors::runtime::tree::ActorTree;
use nova_actors::system::{ActorSystem, Handles};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use self::dependencies::Dependencies;
use self::tokens::{DevIssuer, Gatekeeper};
use self::world::World;
use crate::adapters::clock::SystemClock;
use crate::auth::{self, Authenticate};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::demo::{self, DemoChat, Progress, Stores, Talker};
use crate::failure::Failure;
use crate::http::{
    BindError, CursorKey, DevTokens, Edge, EdgeState, Phase, Problem, Readiness, Server, internal_router,
    page, public_router,
};
use crate::shutdown::Drain;
use crate::telemetry::Metrics;
use crate::ws::{self, WsContext};

/// What only `nova dev` decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevOptions {
    /// Whether the demo world is made.
    pub seed: bool,
    /// Whether the demo world's rooms talk.
    pub demo_chat: bool,
}

/// Everything that runs in this process, ready to serve.
pub struct App {
    http: Server,
    internal: Server,
    public_routes: Router,
    internal_routes: Router,
    system: ActorSystem,
    world: World,
    readiness: Readiness,
    metrics: Metrics,
    sockets: TaskTracker,
    close_sockets: CancellationToken,
    drain: Duration,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("http", &self.http)
            .field("internal", &self.internal)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Opens listeners and databases, makes the demo world and starts every actor. Nothing is served yet.
    ///
    /// # Errors
    /// A dependency failure that names what is missing or taken.
    pub async fn build(config: &Config, data: &DataDir, options: DevOptions) -> Result<Self, Failure> {
        let metrics = Metrics::install()?;
        let http = Server::bind(config.http.bind, settings::server(config)).await;
        let http = http.map_err(|e| taken(&e, "--bind", "http.bind"))?;
        let internal = Server::bind(config.internal.bind, settings::server(config)).await;
        let internal = internal.map_err(|e| taken(&e, "--internal-bind", "internal.bind"))?;

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let world = World::open(config, &clock).await?;
        let chat = demo_chat(config, &world, options, clock.as_ref()).await?;
        let readiness = Readiness::new(Arc::new(|| SystemClock.now()));
        let probe = Dependencies::new(&world, readiness.clone());
        let actors = settings::actors(config, data)?;
        let system = ActorSystem::start(world.ports(), actors, |handles| {
            process_group(handles, probe, chat, Arc::clone(&clock))
        })
        .await?;

        let (sockets, close_sockets) = (TaskTracker::new(), CancellationToken::new());
        let edge = edge(config, data, system.handles(), readiness.clone())?;
        let more = page::router(|| Problem::not_found().into_response()).merge(ws::router(sockets_context(
            config,
            &edge,
            (sockets.clone(), close_sockets.clone()),
        )));
        let public_routes = public_router(&edge, more)?;
        let internal_routes = internal_router(&edge, system.tree(), metrics.prometheus());
        readiness.enter(Phase::Serving);
        let drain = config.drain;
        Ok(Self {
            http,
            internal,
            public_routes,
            internal_routes,
            system,
            world,
            readiness,
            metrics,
            sockets,
            close_sockets,
            drain,
        })
    }

    /// Address of the public listener.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http.address()
    }

    /// Address of the internal listener.
    #[must_use]
    pub const fn internal_addr(&self) -> SocketAddr {
        self.internal.address()
    }

    /// The running actors.
    #[must_use]
    pub fn actors(&self) -> ActorTree {
        self.system.tree()
    }

    /// Counts the statements that the store has executed.
    pub fn store_queries(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        self.world.store_queries()
    }

    /// Serves until `shutdown`, then stops in order.
    ///
    /// # Errors
    /// An internal failure when the actors have given up: whoever runs the process starts it again.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Failure> {
        let Self {
            http,
            internal,
            public_routes,
            internal_routes,
            system,
            ..
        } = self;
        let (stop_http, stop_internal) = (CancellationToken::new(), CancellationToken::new());
        let (requests, others) = (TaskTracker::new(), TaskTracker::new());
        requests.spawn(http.serve(public_routes, stop_http.clone()));
        others.spawn(internal.serve(internal_routes, stop_internal.clone()));
        others.spawn(self.metrics.upkeep(stop_internal.clone()));
        let gave_up = tokio::select! {
            () = shutdown.cancelled() => false,
            () = system.ended() => true,
        };

        self.readiness.enter(Phase::Draining);
        let mut drain = Drain::start(self.drain);
        let share = self.drain / 3;
        stop_http.cancel();
        self.close_sockets.cancel();
        self.sockets.close();
        drain.phase("viewers", share, self.sockets.wait()).await;
        requests.close();
        drain.phase("requests", share, requests.wait()).await;
        let left = drain.remaining();
        drain
            .phase("actors", left, async {
                system.drain(left).await;
            })
            .await;
        drain.phase("databases", share, self.world.close()).await;
        stop_internal.cancel();
        others.close();
        drain
            .phase("internal listener", Duration::from_secs(1), others.wait())
            .await;
        let cut_short = drain.finish();
        if gave_up {
            return Err(Failure::internal(
                "an actor failed too often and the actors have given up; see the log",
            ));
        }
        info!(?cut_short, "Nova stopped");
        Ok(())
    }
}

/// The OpenAPI document of what is served.
///
/// # Errors
/// An internal failure when it cannot be written as JSON.
pub fn openapi(config: &Config) -> Result<String, Failure> {
    // The development key is what makes development tokens a part of the API.
    let document = crate::http::openapi(&config.streams.categories, config.auth.keys.is_none());
    serde_json::to_string_pretty(&document)
        .map_err(|e| Failure::internal(format!("the OpenAPI document cannot be written: {e}")))
}

fn taken(error: &BindError, flag: &str, key: &str) -> Failure {
    let addr = error.address;
    let why = if error.is_taken() {
        format!("port {} is taken", addr.port())
    } else {
        error.source.to_string()
    };
    Failure::dependency(format!(
        "cannot listen on {addr}: {why}; choose another address with {flag} ({key})"
    ))
}

/// Makes the demo world when asked to; its conversation when that is asked for, too.
async fn demo_chat(
    config: &Config,
    world: &World,
    options: DevOptions,
    clock: &dyn Clock,
) -> Result<Option<DemoChat>, Failure> {
    if !options.seed {
        return Ok(None);
    }
    let ports = world.ports();
    let stores = Stores {
        users: ports.users,
        streams: ports.streams,
        social: ports.social,
    };
    let (issuer, categories) = (&config.auth.issuer, &config.streams.categories);
    let now = clock.now();
    let made = demo::seed(&stores, issuer, categories, now, &Progress::on_terminal()).await?;
    // Other words on every start: after a restart, a visitor would take the same ones for messages sent twice.
    let words = now.millis().unsigned_abs();
    Ok(options.demo_chat.then(|| DemoChat::in_world(words, &made)))
}

/// Actors that belong to the process rather than to the product.
fn process_group(
    handles: &Handles,
    probe: Dependencies,
    chat: Option<DemoChat>,
    clock: Arc<dyn Clock>,
) -> GroupSpec {
    let group = probe.supervise(GroupSpec::new("process"), clock);
    match chat {
        Some(chat) => Talker::supervise(group, handles.streams.clone(), chat),
        None => group,
    }
}

fn edge(
    config: &Config,
    data: &DataDir,
    handles: &Handles,
    readiness: Readiness,
) -> Result<EdgeState, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (verifier, issuer) = auth::from_config(&config.auth, data, &clock)?;
    let authenticator: Arc<dyn Authenticate> =
        Arc::new(Gatekeeper::new(verifier.clone(), handles.users.clone()));
    let dev_tokens = issuer.map(|issuer| {
        Arc::new(DevIssuer::new(issuer, verifier, handles.users.clone())) as Arc<dyn DevTokens>
    });
    Ok(EdgeState::new(Edge {
        streams: handles.streams.clone(),
        users: handles.users.clone(),
        social: handles.social.clone(),
        feed: handles.feed.clone(),
        authenticator,
        dev_tokens,
        cursor_key: CursorKey::new(&data.cursor_key(config.cursor_key.as_ref())?)?,
        readiness,
        settings: settings::edge(config)?,
    }))
}

fn sockets_context(
    config: &Config,
    edge: &EdgeState,
    life: (TaskTracker, CancellationToken),
) -> Arc<WsContext> {
    let problem = Arc::new(|error| Problem::from(error).into_response());
    let (streams, auth) = (edge.streams.clone(), Arc::clone(&edge.authenticator));
    Arc::new(WsContext::new(
        streams,
        auth,
        problem,
        settings::sockets(config),
        life,
    ))
}
