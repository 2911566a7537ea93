//! Commands beside a server, which can be running or stopped: users, rooms, keys, tokens, limits.
//! Never: a secret from the command line, where other processes of the machine can see it.

pub(crate) mod running; // commands that send requests to a running server
mod installation; // the server that a command is about
mod owner_rights; // the rights of a command that root runs
mod access; // portcullis access
mod user; // portcullis user
mod block; // portcullis block
mod room; // portcullis room
mod keys; // portcullis keys
mod backup; // portcullis backup
mod restore; // portcullis restore
mod capacity; // portcullis capacity
mod simulate; // portcullis limits simulate
mod demand; // how much clients requested, and the limits that would be enough
mod reference; // portcullis why
mod audit; // portcullis audit
mod token_make; // portcullis token make
mod token_explain; // portcullis token explain

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use portcullis_guard::Action;

pub(crate) use self::audit::AuditCommand;
pub(crate) use self::backup::BackupArguments;
pub(crate) use self::block::BlockCommand;
pub(crate) use self::capacity::CapacityArguments;
use self::installation::Installation;
pub(crate) use self::installation::{InstallationArguments, address};
pub(crate) use self::keys::KeysCommand;
pub(crate) use self::restore::RestoreArguments;
pub(crate) use self::room::RoomCommand;
pub(crate) use self::running::alert::AlertCommand;
pub(crate) use self::running::doctor::DoctorArguments;
pub(crate) use self::running::drill::DrillArguments;
pub(crate) use self::running::operate::{HealthArguments, LimitsCommand, StateCommand};
pub(crate) use self::running::reload::ReloadArguments;
use self::running::{alert, doctor, drill, operate, reload};
pub(crate) use self::user::UserCommand;
use crate::config::Settings;

/// `portcullis token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Creates a token that can connect, and prints it.
    Make(token_make::MakeArguments),
    /// Reads a token from standard input, prints its content and whether the server accepts it.
    Explain,
}

/// Runs `portcullis user`.
pub(crate) fn user(server: &InstallationArguments, command: &UserCommand) -> Result<()> {
    user::run(&Installation::read(server)?, command)
}

/// Runs `portcullis audit`.
pub(crate) fn audit(server: &InstallationArguments, command: &AuditCommand) -> Result<ExitCode> {
    audit::run(&Installation::read(server)?, command)
}

/// Runs `portcullis block`.
pub(crate) fn block(server: &InstallationArguments, command: &BlockCommand) -> Result<()> {
    block::run(&Installation::read(server)?, command)
}

/// Runs `portcullis room`.
pub(crate) fn room(server: &InstallationArguments, command: &RoomCommand) -> Result<()> {
    room::run(&Installation::read(server)?, command)
}

/// Prints which roles can send which events.
pub(crate) fn access(server: &InstallationArguments) -> Result<()> {
    access::run(&Installation::read_with_own_rights(server)?)
}

/// All events of a server with this configuration.
pub(crate) fn actions(settings: &Settings) -> Result<Vec<Action>> {
    access::actions(settings).map(|(actions, _)| actions)
}

/// Runs `portcullis limits`.
pub(crate) fn limits(server: &InstallationArguments, command: &LimitsCommand) -> Result<()> {
    let installation = Installation::read(server)?;
    match command {
        LimitsCommand::Simulate { trace } => simulate::run(installation, trace),
        LimitsCommand::Explain { subject } => operate::explain(&installation, subject),
        LimitsCommand::Unlock { subject, reason } => {
            operate::unlock(&installation, subject, reason)
        }
    }
}

/// Explains the reference of a rejected request.
pub(crate) fn why(server: &InstallationArguments, reference: &str) -> Result<()> {
    reference::run(&Installation::read(server)?, reference)
}

/// Runs `portcullis reload`.
pub(crate) fn reload(server: &InstallationArguments, arguments: &ReloadArguments) -> Result<()> {
    reload::run(&Installation::read(server)?, arguments)
}

/// Runs `portcullis state`.
pub(crate) fn state(server: &InstallationArguments, command: &StateCommand) -> Result<()> {
    operate::state(&Installation::read(server)?, command)
}

/// Runs `portcullis health`.
pub(crate) fn health(server: &InstallationArguments, arguments: &HealthArguments) -> Result<()> {
    operate::health(server, arguments)
}

/// Runs `portcullis alert`.
pub(crate) fn alert(server: &InstallationArguments, command: &AlertCommand) -> Result<()> {
    let installation = Installation::read(server)?;
    // A test of a channel can start a program.
    owner_rights::give_up()?;
    alert::run(&installation, command)
}

/// Runs `portcullis backup`.
pub(crate) fn backup(server: &InstallationArguments, arguments: &BackupArguments) -> Result<()> {
    backup::run(&Installation::read_with_own_rights(server)?, arguments)
}

/// Runs `portcullis capacity`.
pub(crate) fn capacity(
    server: &InstallationArguments,
    arguments: &CapacityArguments,
) -> Result<()> {
    capacity::run(&Installation::read(server)?, arguments)
}

/// Runs `portcullis restore`.
pub(crate) fn restore(server: &InstallationArguments, arguments: &RestoreArguments) -> Result<()> {
    restore::run(&Installation::read(server)?, arguments)
}

/// Runs `portcullis drill`.
pub(crate) fn drill(
    server: &InstallationArguments,
    arguments: &DrillArguments,
) -> Result<ExitCode> {
    drill::run(server, arguments)
}

/// Runs `portcullis doctor`.
pub(crate) fn doctor(
    server: &InstallationArguments,
    arguments: &DoctorArguments,
) -> Result<ExitCode> {
    doctor::run(server, arguments)
}

/// Runs `portcullis keys`.
pub(crate) fn keys(server: &InstallationArguments, command: &KeysCommand) -> Result<()> {
    keys::run(&Installation::read(server)?, command)
}

/// Runs `portcullis token`.
pub(crate) fn token(server: &InstallationArguments, command: &TokenCommand) -> Result<()> {
    let installation = Installation::read(server)?;
    match command {
        TokenCommand::Make(arguments) => token_make::run(&installation, arguments),
        TokenCommand::Explain => token_explain::run(&installation),
    }
}
