//! What can be typed, and the exit codes: 0 done, 2 bad usage or configuration, 1 anything else.
//! Never: a secret on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{ConfigError, Profile, Settings, Sources};
use crate::wiring;

/// A real-time server that is secure by default.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the server (what happens without a command, too).
    Serve(ServeArguments),
    /// Reads the configuration and prints what is in force.
    Check {
        /// The configuration file; without it, `./portcullis.toml` if it is there.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, Args, Default)]
struct ServeArguments {
    /// The configuration file; without it, `./portcullis.toml` if it is there.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which profile the defaults come from.
    #[arg(long)]
    profile: Option<ProfileName>,
    /// Where clients connect.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the database and the keys lie.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileName {
    Development,
    Production,
    Strict,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Development => Self::Development,
            ProfileName::Production => Self::Production,
            ProfileName::Strict => Self::Strict,
        }
    }
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.serve),
        Some(Command::Serve(arguments)) => serve(arguments),
        Some(Command::Check { config }) => check(config),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let bad_configuration = error.chain().any(|cause| cause.is::<ConfigError>());
            ExitCode::from(if bad_configuration { 2 } else { 1 })
        }
    }
}

fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let settings = Settings::read(&Sources {
        config: arguments.config,
        profile: arguments.profile.map(Profile::from),
        listen: arguments.listen,
        data: arguments.data,
        environment: config_environment(),
    })?;
    wiring::serve(settings)
}

fn check(config: Option<PathBuf>) -> anyhow::Result<()> {
    let sources = Sources { config, environment: config_environment(), ..Sources::default() };
    let settings = Settings::read(&sources)?;
    println!("{}", settings.summary());
    Ok(())
}

/// The variables that are ours: `PORTCULLIS__SECTION__KEY`.
fn config_environment() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("PORTCULLIS__")).collect()
}
