//! Prints the output of commands on standard output and standard error.
//! Never: a panic because the reader of a pipe has closed it (`portcullis check | head -1`).

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

impl OutputError {
    /// Whether the reader has closed the pipe. That is not an error.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

/// Prints on standard output.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    out.write_fmt(text)?;
    Ok(out.flush()?)
}

/// Prints on standard error; when that is closed, the text is dropped.
pub(crate) fn print_error(text: fmt::Arguments<'_>) {
    let _closed = io::stderr().lock().write_fmt(text);
}

/// A text as one word of a shell: in single quotes, unless it has only harmless characters.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/@+,%".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return String::from(text);
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path as one word of a shell.
pub(crate) fn shell_path(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

/// A count with its noun: `1 room`, `2 rooms`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// As `println`, but returns the error instead of a panic.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// As `eprintln`, but without a panic.
macro_rules! errln {
    ($($text:tt)*) => {
        $crate::output::print_error(format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(crate) use {errln, outln};
