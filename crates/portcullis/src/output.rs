//! Prints the output of commands on standard output and standard error.
//! Never: a panic because the reader of a pipe has closed it (`portcullis check | head -1`), or a
//! character that changes the terminal.

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
    out.write_all(shown(text).as_bytes())?;
    Ok(out.flush()?)
}

/// Prints on standard error; when that is closed, the text is dropped.
pub(crate) fn print_error(text: fmt::Arguments<'_>) {
    let _closed = io::stderr().lock().write_all(shown(text).as_bytes());
}

/// The text with escapes in place of characters that control a terminal or change the direction of
/// text (Unicode, UAX 9). A file, a backup or another server can contain them.
///
/// In JSON, which has none of them below U+0080, the escapes mean the same characters.
fn shown(text: fmt::Arguments<'_>) -> String {
    let text = text.to_string();
    if text.contains(is_harmful) { escaped(&text) } else { text }
}

/// The text with these escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 64);
    for letter in text.chars() {
        if is_harmful(letter) {
            safe.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            safe.push(letter);
        }
    }
    safe
}

fn is_harmful(letter: char) -> bool {
    let is_line = matches!(letter, '\n' | '\t');
    let is_direction = matches!(letter, '\u{61c}' | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_direction || (letter.is_control() && !is_line)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_change_a_terminal_are_escaped() {
        for (text, expect) in [
            ("one\n\ttwo \u{e4}\u{1f600}", "one\n\ttwo \u{e4}\u{1f600}"),
            ("a\u{1b}[2Jb", "a\\u001b[2Jb"),
            ("a\rb\u{7}\u{8}\u{7f}\0", "a\\u000db\\u0007\\u0008\\u007f\\u0000"),
            ("\u{9b}31m\u{202e}\u{2066}", "\\u009b31m\\u202e\\u2066"),
        ] {
            assert_eq!(shown(format_args!("{text}")), expect, "{text:?}");
        }
        let json = serde_json::json!({ "name": "\u{1b}\u{9b}\u{202e}\u{7f}\"x" });
        let printed = shown(format_args!("{json}"));
        assert!(printed.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), json);
    }
}
