//! `portcullis audit verify`: proves that the security log is as it was written.
//! Never: exit code 0 without a key from elsewhere; the key in the data directory proves nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_audit::{
    SignedNote, Verdict, VerifierKey, VerifyOptions, VerifyReport, verify_files, verify_log,
};

use crate::command::installation::Installation;
use crate::command::owner_rights::as_caller;
use crate::output::{counted, outln};
use crate::start::files::output_files::CHAIN_CERTIFICATES;

/// The exit code when the log was changed.
const TAMPERED: u8 = 3;
/// The exit code when it cannot be said.
const UNDECIDED: u8 = 4;
/// Longest file of a key or note.
const FILE_MAX_BYTES: u64 = 64 * 1024;

/// The arguments of `portcullis audit verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The files, oldest first; by default all closed files and the open one.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The key that `portcullis audit key` printed when the log began, from where you keep it.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A file with such keys, one a line.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A file with a signed note that was kept elsewhere, for instance from an alert.
    #[arg(long, value_name = "FILE")]
    note: Option<PathBuf>,
    /// The server runs: its newest signed note must be younger than three minutes.
    #[arg(long)]
    now: bool,
}

/// Verifies the log and prints the result.
pub(super) fn run(installation: &Installation, arguments: &VerifyArguments) -> Result<ExitCode> {
    let settings = &installation.settings;
    let log = &settings.audit.file;
    let certificates = settings.storage.data.join(CHAIN_CERTIFICATES);
    let options = VerifyOptions {
        keys: as_caller(|| keys(arguments))??,
        note: as_caller(|| arguments.note.as_deref().map(read_note).transpose())??,
        now_unix_ms: arguments.now.then(|| installation.now().unix_ms),
        certificates: match std::fs::read_to_string(&certificates) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {}", certificates.display()))?,
        },
    };
    let report = match arguments.files.as_slice() {
        [] => verify_log(log, options)?.with_context(|| {
            format!("there is no security log at {}: start the server once", log.display())
        })?,
        files => as_caller(|| verify_files(files, options))??,
    };
    print(&report)?;
    Ok(match report.verdict() {
        Verdict::Sound => ExitCode::SUCCESS,
        Verdict::Tampered => ExitCode::from(TAMPERED),
        Verdict::Undecided => ExitCode::from(UNDECIDED),
    })
}

fn keys(arguments: &VerifyArguments) -> Result<Vec<VerifierKey>> {
    let mut texts = arguments.key.clone();
    if let Some(path) = &arguments.key_file {
        let text = read_short(path)?;
        texts.extend(text.lines().filter(|line| !line.trim().is_empty()).map(String::from));
    }
    texts.iter().map(|text| text.parse().with_context(|| format!("the key {text:?}"))).collect()
}

/// Reads a file that contains a signed note and nothing else.
fn read_note(path: &Path) -> Result<SignedNote> {
    let text = read_short(path)?;
    text.parse().with_context(|| path.display().to_string())
}

fn read_short(path: &Path) -> Result<String> {
    let facts = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    if facts.len() > FILE_MAX_BYTES {
        bail!("{} has {} bytes: too long for a key or a note", path.display(), facts.len());
    }
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn print(report: &VerifyReport) -> Result<()> {
    if let (Some((first, last)), Some(log)) = (report.range, &report.log) {
        outln!("log       {log}")?;
        outln!("lines     {first} to {last}, {} read", counted(report.lines, "line"))?;
    }
    if report.unsealed_before > 0 {
        let lines = counted(report.unsealed_before, "line");
        outln!("unsealed  {lines} of an earlier version, before the chain begins")?;
    }
    if let Some(note) = report.newest_note.as_ref().map(|signed| &signed.note) {
        outln!("note      line {}, signed at {}", note.sequence, note.time)?;
    }
    for finding in report.findings() {
        outln!("found     {finding}")?;
    }
    let more = report.findings_count() - report.findings().len() as u64;
    if more > 0 {
        outln!("found     {} more", counted(more, "finding"))?;
    }
    for reason in &report.undecided {
        outln!("unknown   {reason}")?;
    }
    outln!(
        "result    {}",
        match report.verdict() {
            Verdict::Sound => "sound: every line is as it was written",
            Verdict::Tampered => "tampered: the log was changed",
            Verdict::Undecided => "undecided: it cannot be said whether the log was changed",
        }
    )?;
    Ok(())
}
