//! `nova dev`: everything in one process, on loopback, with a demo world.

use std::path::PathBuf;

use tracing::info;

use super::args::DevArgs;
use super::banner::Banner;
use super::{browser, on_runtime, output, ports};
use crate::app::{App, DevOptions};
use crate::config::{Config, Loaded, load};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::shutdown::Signals;
use crate::telemetry::{self, VERSION, colours};

pub(super) fn run(args: DevArgs) -> Result<(), Failure> {
    let sources = args.data.sources().flag("--bind", "http.bind", args.bind).flag(
        "--internal-bind",
        "internal.bind",
        args.internal_bind,
    );
    let loaded = load(&sources)?;
    loopback_only(&loaded)?;
    telemetry::log(&loaded.config.logging)?;
    telemetry::log_panics();
    let options = DevOptions {
        seed: !args.no_seed,
        demo_chat: !args.no_demo_chat,
    };
    let announce = Announce {
        ports_file: args.ports_file,
        open: args.open,
    };
    on_runtime(serve(loaded.config, options, announce))
}

/// What to do once everything is ready.
#[derive(Debug)]
struct Announce {
    ports_file: Option<PathBuf>,
    open: bool,
}

async fn serve(config: Config, options: DevOptions, announce: Announce) -> Result<(), Failure> {
    let signals =
        Signals::listen().map_err(|e| Failure::internal(format!("signals cannot be handled: {e}")))?;
    let data = DataDir::open(&config.data.dir)?;
    let _lock = data.lock()?;
    let shutdown = signals.token();
    let building = App::build(&config, &data, options);
    let Some(app) = shutdown.run_until_cancelled(building).await else {
        info!("stopped before it was ready");
        return Ok(());
    };
    let app = app?;
    announce.ready(&app, &data)?;
    app.run(shutdown).await
}

impl Announce {
    fn ready(&self, app: &App, data: &DataDir) -> Result<(), Failure> {
        let (http, internal) = (app.http_addr(), app.internal_addr());
        info!(%http, %internal, data_dir = %data.path().display(), version = VERSION, "Nova ready");
        if let Some(path) = &self.ports_file {
            ports::write(path, http, internal)?;
        }
        if output::on_terminal() {
            let program = std::env::args_os()
                .next()
                .map_or_else(|| PathBuf::from("nova"), PathBuf::from);
            let banner = Banner {
                http,
                internal,
                data_dir: data.path(),
                version: VERSION,
                program: &program,
            };
            output::print(&banner.text(colours(&std::io::stdout())))?;
        }
        if self.open {
            browser::open(&format!("http://{http}/"));
        }
        Ok(())
    }
}

/// Development credentials are good on this machine only.
fn loopback_only(loaded: &Loaded) -> Result<(), Failure> {
    let bind = loaded.config.http.bind;
    if bind.ip().is_loopback() {
        return Ok(());
    }
    let origin = loaded
        .layers
        .get("http.bind")
        .map(|entry| entry.origin.to_string())
        .unwrap_or_default();
    Err(Failure::config(format!(
        "{origin}: {bind} can be reached from other machines; nova dev, where anybody gets a token, serves \
         loopback addresses such as 127.0.0.1:8080 only"
    )))
}
