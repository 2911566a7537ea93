//! `portcullis audit`: reads, verifies and erases records of the security log.
//! Never: a change of a line that `verify` would not find; a running server is not needed.

mod filter; // the filter of the records of a command
mod time_argument; // times on the command line
mod record_text; // one record as a line for a person
mod output; // buffered lines on standard output
mod search; // portcullis audit search
mod tail; // portcullis audit tail
mod inventory; // portcullis audit inventory
mod verify; // portcullis audit verify
mod erase; // portcullis audit erase
mod key; // portcullis audit key
mod export; // portcullis audit export
mod format_cef; // the Common Event Format
mod format_ocsf; // the Open Cybersecurity Schema Framework
mod format_ocsf_class; // class and activity of a record in OCSF

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::installation::Installation;
use super::reference;

/// `portcullis audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prints the newest records; with `-f` also those that follow.
    Tail(tail::TailArguments),
    /// Prints the records that fit all given conditions, oldest first.
    Search(search::SearchArguments),
    /// Explains the reference of a rejected request, as `portcullis why` does.
    Ref {
        /// The reference from the error that the client got.
        #[arg(value_name = "REF")]
        reference: String,
    },
    /// Prints every name of a record with class, severity and meaning, and all logs.
    Inventory(inventory::InventoryArguments),
    /// Prints the records of a period in the format of another program.
    Export(export::ExportArguments),
    /// Verifies that no record was changed: exit code 0 sound, 3 tampered, 4 undecided.
    Verify(verify::VerifyArguments),
    /// Prints the keys that verify the log; keep them outside this machine.
    Key,
    /// Erases personal parts of records; the log stays verifiable.
    Erase(erase::EraseArguments),
}

/// Runs the command.
pub(super) fn run(installation: &Installation, command: &AuditCommand) -> Result<ExitCode> {
    if !installation.settings.audit.file.exists() {
        installation.check_started()?;
    }
    match command {
        AuditCommand::Tail(arguments) => tail::run(installation, arguments)?,
        AuditCommand::Search(arguments) => search::run(installation, arguments)?,
        AuditCommand::Ref { reference } => reference::run(installation, reference)?,
        AuditCommand::Inventory(arguments) => inventory::run(installation, arguments)?,
        AuditCommand::Export(arguments) => export::run(installation, arguments)?,
        AuditCommand::Verify(arguments) => return verify::run(installation, arguments),
        AuditCommand::Key => key::run(installation)?,
        AuditCommand::Erase(arguments) => erase::run(installation, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
