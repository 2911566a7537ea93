//! Programs started, with what to say when they fail.
//! Never: a shell.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// A program in the repository's root, or in a folder below it.
pub(crate) fn program(name: &str, arguments: &[&str], folder: &str) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root().join(folder));
    command
}

/// Runs a program to its end; its failure is ours.
pub(crate) fn must(mut command: Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Runs a program in place of this one, so that signals reach it and its exit code is ours.
pub(crate) fn become_program(mut command: Command) -> Result<()> {
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {command:?}"))
}

/// Whether a program is there and answers `--version`.
pub(crate) fn is_there(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Announces a step, so that a long run can be followed.
pub(crate) fn step(name: &str) {
    println!("\n== {name}");
}
