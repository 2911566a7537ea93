//! `portcullis audit erase`: erases personal parts of records; the chain stays valid.
//! Never: without a record of how many lines were erased, or a record of whose they were.

use std::net::IpAddr;

use anyhow::{Result, bail};
use clap::Args;
use portcullis_audit::{Erasure, ErasureFile, ErasureSubject};
use portcullis_store::OperatorActionKind;

use crate::command::installation::Installation;
use crate::output::{counted, outln};

/// The arguments of `portcullis audit erase`.
#[derive(Debug, Args)]
pub(crate) struct EraseArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// Erases; without it the command only prints what it would erase.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SubjectArguments {
    /// The id of a user, from `portcullis user list`.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The name of a user, also in rejected logins.
    #[arg(long)]
    name: Option<String>,
    /// An IPv4 or IPv6 address.
    #[arg(long)]
    address: Option<IpAddr>,
    /// All personal parts.
    #[arg(long)]
    all: bool,
}

/// Erases, or prints what would be erased.
pub(super) fn run(installation: &Installation, arguments: &EraseArguments) -> Result<()> {
    let SubjectArguments { user, name, address, all } = &arguments.subject;
    let subject = match (user, name, address, all) {
        (Some(user), None, None, false) => ErasureSubject::User(user.clone()),
        (None, Some(name), None, false) => ErasureSubject::Name(name.clone()),
        (None, None, Some(address), false) => ErasureSubject::Address(*address),
        (None, None, None, true) => ErasureSubject::All,
        _ => bail!("name one of --user, --name, --address and --all"),
    };
    let erasure = Erasure::begin(&installation.settings.audit.file, &subject)?;
    let mut open = erasure.count_in_open_file()?;
    if open > 0 && arguments.yes {
        erasure.rotate(installation.now().unix_ms)?;
        open = erasure.count_in_open_file()?;
    }
    let files = erasure.find()?;
    for file in &files {
        let ErasureFile { path, first, last, count } = file;
        let lines = counted(*count, "line");
        if arguments.yes {
            // Recorded first: an erasure without a record would look like a change by hand.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let what = format!("lines {first} to {last}: {count} erased in {name}");
            installation.open()?.0.note(OperatorActionKind::LogErased, &what)?;
            erasure.erase(file)?;
            outln!("{}: {lines} erased, from {first} to {last}", path.display())?;
        } else {
            outln!("{}: {lines} to erase, from {first} to {last}", path.display())?;
        }
    }
    if open > 0 {
        let (lines, path) = (counted(open, "line"), installation.settings.audit.file.display());
        outln!(
            "{path}: {lines}{}",
            if arguments.yes { " written meanwhile" } else { " to erase" }
        )?;
    }
    if files.is_empty() && open == 0 {
        outln!("neither the open file nor a closed one has a personal part of this subject")?;
    }
    if !arguments.yes && (!files.is_empty() || open > 0) {
        bail!("nothing was erased: add --yes to erase; it cannot be undone");
    }
    Ok(())
}
