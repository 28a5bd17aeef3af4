//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Nova: live streams with rooms, and a social feed, in one program.
#[derive(Debug, Parser)]
#[command(
    name = "nova",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(after_help = "Every setting is a variable, too: see `nova config env`.\n\
    Exit codes: 0 done, 64 wrong usage, 69 something needed is missing or taken, 70 a bug, 78 wrong configuration.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run everything in one process, with a demo world, on this machine only
    Dev(DevArgs),
    /// Print a token for a user of `nova dev`, and nothing else
    Token(TokenArgs),
    /// Check a configuration without starting anything
    CheckConfig(FileArgs),
    /// Show the configuration
    Config(ConfigArgs),
    /// Show or apply the schema migrations of the embedded databases
    Migrate(MigrateArgs),
    /// Write the demo world into the store, where it is not there yet
    Seed(DataArgs),
    /// Print the OpenAPI document of the REST API
    Openapi,
}

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Address of the REST API, the rooms and the page; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) bind: Option<SocketAddr>,
    /// Address of metrics and the actor tree; port 0 picks a free one [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) internal_bind: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Start without the demo world
    #[arg(long)]
    pub(super) no_seed: bool,
    /// Let the rooms of the demo world be silent
    #[arg(long)]
    pub(super) no_demo_chat: bool,
    /// Write the addresses into this file once everything is ready
    #[arg(long, value_name = "FILE")]
    pub(super) ports_file: Option<PathBuf>,
    /// Open the page in the browser
    #[arg(long)]
    pub(super) open: bool,
}

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Directory of the databases and keys [default: ./nova-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Name of the user: 3 to 32 of the characters a-z, 0-9 and _
    #[arg(long, value_name = "NAME")]
    pub(super) user: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub(super) what: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Every key with its value and where that is from; secrets are hidden
    Show {
        #[command(flatten)]
        file: FileArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The defaults, as a commented file to start from
    Defaults,
    /// Every variable with its default and its meaning
    Env {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(subcommand)]
    pub(super) what: Option<MigrateCommand>,
    /// Directory of the databases [default: ./nova-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(super) enum MigrateCommand {
    /// Which migrations there are, and which are applied (the default)
    Status,
    /// Apply what is missing
    Up,
}
