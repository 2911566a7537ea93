//! What can be typed, and the exit codes: 0 done, 2 bad usage or configuration, 1 anything else.
//! Never: a secret on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use portcullis_model::{Clock, SystemClock};

use crate::command::{
    self, KeysCommand, LimitsCommand, RoomCommand, StateCommand, TokenCommand, UserCommand, Which,
};
use crate::config::{Profile, Settings, Sources};
use crate::output::{OutputError, errln, outln};
use crate::start::validate;
use crate::start::wiring;

/// A real-time server that is secure by default.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, args_conflicts_with_subcommands = true)]
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
    /// Checks all that `serve` checks before it starts, and prints every value in force.
    Check(ServeArguments),
    /// Prints who may do what: every event, the roles it takes, the relation to the room.
    Access {
        #[command(flatten)]
        which: Which,
    },
    /// Lists and changes users; a running server acts on it within a second.
    User {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Lists and deletes rooms; a running server acts on it within a second.
    Room {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: RoomCommand,
    },
    /// Lists and changes the keys that sign tokens and seal fields.
    Keys {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Asks a running server how far limits are used up, and lifts them.
    Limits {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Asks a running server how hard-pressed it is, or keeps it to a state.
    State {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Explains the reference that a rejected client was given: rule, time, record.
    Why {
        #[command(flatten)]
        which: Which,
        /// The reference, as the client quotes it.
        #[arg(value_name = "REF")]
        reference: String,
    },
    /// Makes and explains tokens, for tests and support.
    Token {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: TokenCommand,
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

/// Does what was typed.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.serve),
        Some(Command::Serve(arguments)) => serve(arguments),
        Some(Command::Check(arguments)) => check(arguments),
        Some(Command::Access { which }) => command::access(&which),
        Some(Command::User { which, command }) => command::user(&which, &command),
        Some(Command::Why { which, reference }) => command::why(&which, &reference),
        Some(Command::Room { which, command }) => command::room(&which, &command),
        Some(Command::Keys { which, command }) => command::keys(&which, &command),
        Some(Command::Limits { which, command }) => command::limits(&which, &command),
        Some(Command::State { which, command }) => command::state(&which, &command),
        Some(Command::Token { which, command }) => command::token(&which, &command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {error:#}");
            ExitCode::from(if wiring::is_configuration_fault(&error) { 2 } else { 1 })
        }
    }
}

/// Whether the reader of standard output has closed it: the command is done.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<OutputError>());
    cause.is_some_and(OutputError::is_closed_pipe)
}

impl ServeArguments {
    fn settings(self) -> anyhow::Result<Settings> {
        Ok(Settings::read(&Sources {
            config: self.config,
            profile: self.profile.map(Profile::from),
            listen: self.listen,
            data: self.data,
            environment: std::env::vars_os().collect(),
        })?)
    }
}

fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    wiring::serve(arguments.settings()?)
}

fn check(arguments: ServeArguments) -> anyhow::Result<()> {
    let settings = arguments.settings()?;
    let findings = validate::validate(&settings, SystemClock::start().now())?;
    let actions = command::actions(&settings)?;
    let weakenings = settings.weakenings(&actions)?;
    for warning in findings.warnings.iter().chain(&weakenings) {
        errln!("warning: {warning}");
    }
    outln!("{}", settings.summary(&actions).trim_end())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serving_is_what_happens_without_a_command() {
        let cases = [
            ("portcullis", true),
            ("portcullis --listen 127.0.0.1:0 --data d --profile strict --config f", true),
            ("portcullis serve --listen 127.0.0.1:0 --data d", true),
            ("portcullis check --config f", true),
            ("portcullis check --listen 127.0.0.1:0 --data d --profile strict", true),
            ("portcullis --data d serve", false),
            ("portcullis --profile prod", false),
            ("portcullis --listen localhost", false),
            ("portcullis serve --secret s", false),
            ("portcullis start", false),
        ];
        for (line, expect) in cases {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), expect, "{line}");
            let code = parsed.err().map_or(0, |error| error.exit_code());
            assert_eq!(code, if expect { 0 } else { 2 }, "{line}");
        }
    }
}
