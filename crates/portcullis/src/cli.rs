//! The command line, and the exit codes: 0 success, 2 wrong usage or configuration, 1 other errors.
//! Never: a secret on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use portcullis_admin::{RUN_PROGRAM, run_program};
use portcullis_model::{Clock, SystemClock};

use crate::command::{
    self, AlertCommand, AuditCommand, BackupArguments, BlockCommand, CapacityArguments,
    DoctorArguments, DrillArguments, HealthArguments, InstallationArguments, KeysCommand,
    LimitsCommand, ReloadArguments, RestoreArguments, RoomCommand, StateCommand, TokenCommand,
    UserCommand,
};
use crate::config::{Profile, Settings, Sources, Warning, summary, weakenings};
use crate::manual;
use crate::output::{OutputError, counted, errln, outln};
use crate::setup::{self, ConfigCommand, InitArguments};
use crate::start::files::owners::root_fault;
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
    /// Starts the server; this is the default command.
    Serve(ServeArguments),
    /// Runs all checks of `serve` without starting, and prints all values in force.
    Check(ServeArguments),
    /// Writes the configuration of a new server; asks for it on a terminal.
    Init(InitArguments),
    /// Prints the JSON Schema of the configuration file, an annotated example, or all keys.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Prints which roles can send which events, and the required relation to the room.
    Access {
        #[command(flatten)]
        server: InstallationArguments,
    },
    /// Lists and changes users; a running server applies changes within a second.
    User {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Lists, adds and removes blocks of networks; a running server follows within a second.
    Block {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: BlockCommand,
    },
    /// Lists and deletes rooms; a running server applies changes within a second.
    Room {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: RoomCommand,
    },
    /// Lists, rotates and revokes the keys that sign tokens and seal fields.
    Keys {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Shows how far the limits of a client are used on a running server, and lifts blocks.
    Limits {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Lets a running server read its configuration again, and prints what has changed.
    Reload {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: ReloadArguments,
    },
    /// Shows the load level of a running server, or pins it to a level.
    State {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Checks that a running server answers; exits with 1 if it does not.
    Health {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: HealthArguments,
    },
    /// Tests the channels of alerts; lists, acknowledges and silences alerts.
    Alert {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: AlertCommand,
    },
    /// Checks the installation, and prints what needs care and what to do.
    Doctor {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: DoctorArguments,
    },
    /// Runs attack cases against the own deployment, and reports what to fix.
    Drill {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: DrillArguments,
    },
    /// Estimates what a machine carries, or what a load needs, from measured figures.
    Capacity {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: CapacityArguments,
    },
    /// Writes a backup of the database, the security log and the configuration.
    Backup {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: BackupArguments,
    },
    /// Replaces the data of a stopped server by a backup, and ends all sessions.
    Restore {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(flatten)]
        arguments: RestoreArguments,
    },
    /// Explains the reference of a rejected request: rule, time, security record.
    Why {
        #[command(flatten)]
        server: InstallationArguments,
        /// The reference from the error that the client got.
        #[arg(value_name = "REF")]
        reference: String,
    },
    /// Reads, verifies and erases records of the security log; needs no running server.
    Audit {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Runs the program of a channel of alerts, and ends all that it leaves; the server calls it.
    #[command(name = RUN_PROGRAM, hide = true)]
    RunProgram {
        /// The program and its arguments.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Creates and explains tokens, for tests and support.
    Token {
        #[command(flatten)]
        server: InstallationArguments,
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Writes the manual pages and the shell completions of this program into a directory.
    Manual {
        /// The directory, which must exist.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Debug, Args, Default)]
struct ServeArguments {
    /// The configuration file; by default `./portcullis.toml`, if it exists.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The profile, which sets the defaults.
    #[arg(long)]
    profile: Option<ProfileName>,
    /// The address on which clients connect.
    #[arg(long, value_name = "ADDR", value_parser = command::address)]
    listen: Option<SocketAddr>,
    /// The directory of the database and the keys.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Reloads the configuration when its file, or one that it names, changes.
    #[arg(long)]
    watch: bool,
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

/// Runs the command.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.serve),
        Some(Command::Serve(arguments)) => serve(arguments),
        Some(Command::Check(arguments)) => check(arguments),
        Some(Command::Init(arguments)) => setup::init(&arguments),
        Some(Command::Config { command }) => setup::print_definitions(&command),
        Some(Command::Access { server }) => command::access(&server),
        Some(Command::User { server, command }) => command::user(&server, &command),
        Some(Command::Alert { server, command }) => command::alert(&server, &command),
        Some(Command::Why { server, reference }) => command::why(&server, &reference),
        Some(Command::Health { server, arguments }) => command::health(&server, &arguments),
        Some(Command::Manual { directory }) => manual::write(Cli::command(), &directory),
        Some(Command::Room { server, command }) => command::room(&server, &command),
        Some(Command::Block { server, command }) => command::block(&server, &command),
        Some(Command::Keys { server, command }) => command::keys(&server, &command),
        Some(Command::Limits { server, command }) => command::limits(&server, &command),
        Some(Command::Reload { server, arguments }) => command::reload(&server, &arguments),
        Some(Command::State { server, command }) => command::state(&server, &command),
        Some(Command::Token { server, command }) => command::token(&server, &command),
        Some(Command::Backup { server, arguments }) => command::backup(&server, &arguments),
        Some(Command::Capacity { server, arguments }) => command::capacity(&server, &arguments),
        Some(Command::Restore { server, arguments }) => command::restore(&server, &arguments),
        Some(Command::Doctor { server, arguments }) => {
            return exit(command::doctor(&server, &arguments));
        }
        Some(Command::Drill { server, arguments }) => {
            return exit(command::drill(&server, &arguments));
        }
        Some(Command::RunProgram { command }) => run_program(&command).map_err(Into::into),
        Some(Command::Audit { server, command }) => {
            return exit(command::audit(&server, &command));
        }
    };
    exit(outcome.map(|()| ExitCode::SUCCESS))
}

/// The exit code of a result; an error is printed.
fn exit(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {error:#}");
            ExitCode::from(if wiring::is_configuration_fault(&error) { 2 } else { 1 })
        }
    }
}

/// Whether the reader of standard output has closed it, which is not an error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<OutputError>());
    cause.is_some_and(OutputError::is_closed_pipe)
}

impl ServeArguments {
    fn sources(self) -> Sources {
        Sources {
            config: self.config,
            profile: self.profile.map(Profile::from),
            listen: self.listen,
            data: self.data,
            environment: std::env::vars_os().collect(),
        }
    }
}

fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let watch = arguments.watch;
    wiring::serve(arguments.sources(), watch)
}

fn check(arguments: ServeArguments) -> anyhow::Result<()> {
    let settings = Settings::read(&arguments.sources())?;
    let findings = validate::validate(&settings, SystemClock::start().now())?;
    let actions = command::actions(&settings)?;
    let found_weakenings = weakenings(&settings, &actions)?;
    // Only a warning: root checks the configuration before `systemctl start`.
    let of_root = root_fault(&settings)
        .map(|fault| Warning::new("--data", format!("a start as root is rejected: {fault}")));
    let mut warnings = findings.warnings;
    warnings.extend(of_root.into_iter().chain(found_weakenings));
    for warning in &warnings {
        errln!("warning: {warning}");
    }
    outln!("{}", summary(&settings, &actions).trim_end())?;
    let count = warnings.len();
    // A comment, so that the output stays a configuration file.
    outln!("\n# valid, {}", counted(count as u64, "warning"))?;
    Ok(())
}

/// The command line, for the manual.
#[cfg(test)]
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_without_a_command_serves() {
        let cases = [
            ("portcullis", true),
            ("portcullis --listen 127.0.0.1:0 --data d --profile strict --config f", true),
            ("portcullis serve --listen 127.0.0.1:0 --data d", true),
            ("portcullis check --config f", true),
            ("portcullis init f --domain chat.example", true),
            ("portcullis init --config f --data d", true),
            ("portcullis init f --config f", false),
            ("portcullis check --listen 127.0.0.1:0 --data d --profile strict", true),
            ("portcullis --data d serve", false),
            ("portcullis --profile prod", false),
            ("portcullis --listen localhost", false),
            ("portcullis serve --secret s", false),
            ("portcullis health --listen 127.0.0.1:9443 --ready --config f", true),
            ("portcullis health --listen localhost", false),
            ("portcullis manual d", true),
            ("portcullis manual", false),
            ("portcullis start", false),
        ];
        for (line, expect) in cases {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), expect, "{line}");
            let code = parsed.err().map_or(0, |error| error.exit_code());
            assert_eq!(code, if expect { 0 } else { 2 }, "{line}");
        }
    }
    #[test]
    fn key_id_can_begin_with_a_hyphen() {
        for (line, consent) in [
            ("portcullis keys revoke -NwghADleTR_g6y1q", false),
            ("portcullis keys revoke -NwghADleTR_g6y1q --yes", true),
            ("portcullis keys revoke --yes -NwghADleTR_g6y1q", true),
            ("portcullis keys revoke -NwghADleTR_g6y1q --data d", false),
        ] {
            let parsed = Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string());
            let Ok(Cli { command: Some(Command::Keys { command, .. }), .. }) = parsed else {
                panic!("{line}: {:?}", parsed.err());
            };
            let expect = format!("Revoke {{ id: \"-NwghADleTR_g6y1q\", yes: {consent} }}");
            assert_eq!(format!("{command:?}"), expect, "{line}");
        }
    }
}
