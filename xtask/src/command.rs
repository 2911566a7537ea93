//! Starts programs and reports their failures.
//! Never: uses a shell.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// A program that runs in the repository's root, or in a folder below it.
pub(crate) fn program(name: &str, arguments: &[&str], folder: &str) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root().join(folder));
    command
}

/// Runs a program to its end. Fails if the program fails.
pub(crate) fn must(mut command: Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Replaces this process by a program, so that the program gets all signals and sets the exit code.
pub(crate) fn become_program(mut command: Command) -> Result<()> {
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {command:?}"))
}

/// Whether a program is installed and answers `--version`.
pub(crate) fn is_there(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Prints the name of a step.
pub(crate) fn step(name: &str) {
    println!("\n== {name}");
}
