//! The command line: reads it, runs one command, and turns the outcome into an exit code. Data goes to standard
//! output, everything else to standard error.

mod args;
mod banner;
mod browser;
mod configuration;
mod dev;
mod migrate;
mod output;
mod ports;
mod seed;
mod token;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use self::args::{Cli, Command};
use crate::app;
use crate::config::{Config, Sources, load};
use crate::failure::{Exit, Failure};

/// Runs the program with `args`, of which the first is its name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) => return explain(&error),
    };
    match execute(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.into()
        }
    }
}

fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => dev::run(args),
        Command::Token(args) => token::run(&args),
        Command::CheckConfig(args) => configuration::check(args),
        Command::Config(args) => configuration::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Seed(args) => seed::run(args),
        Command::Openapi => output::print(&app::openapi(&load(&Sources::new(None))?.config)?),
    }
}

/// Help and version are answers; all else that clap says is a wrong command line.
fn explain(error: &clap::Error) -> ExitCode {
    // The terminal may be gone; the exit code still tells.
    let _unseen = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => Exit::Usage.code().into(),
    }
}

/// The configuration of a command that takes no file, only variables and `--data-dir`.
fn configure(data: &args::DataArgs) -> Result<Config, Failure> {
    Ok(load(&data.sources())?.config)
}

impl args::DataArgs {
    fn sources(&self) -> Sources {
        let dir = self.data_dir.as_ref().map(|dir| dir.display());
        Sources::new(None).flag("--data-dir", "data.dir", dir)
    }
}

/// Runs `work` on a runtime of its own.
fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("nova")
        .build()
        .map_err(|e| Failure::dependency(format!("threads cannot be started: {e}")))?;
    runtime.block_on(work)
}
