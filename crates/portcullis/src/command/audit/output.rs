//! Lines on standard output, many at a time.
//! Never: a system call for each line, or a character of a line that changes the terminal.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::output::{OutputError, escaped};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Standard output with a buffer.
pub(super) struct LineOutput {
    out: BufWriter<StdoutLock<'static>>,
    reader: Reader,
}

/// The reader of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A person; a damaged log can have lines that control the terminal.
    Terminal,
    /// A program, which gets the lines as they are.
    Program,
}

impl LineOutput {
    pub(super) fn new() -> Self {
        let out = io::stdout().lock();
        let reader = if out.is_terminal() { Reader::Terminal } else { Reader::Program };
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, out), reader }
    }

    /// Prints one line.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), OutputError> {
        self.out.write_all(&shown(line, self.reader))?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// Writes the content of the buffer.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        Ok(self.out.flush()?)
    }
}

/// The line as its reader gets it.
fn shown(line: &[u8], reader: Reader) -> Cow<'_, [u8]> {
    match reader {
        Reader::Program => Cow::Borrowed(line),
        Reader::Terminal => Cow::Owned(escaped(&String::from_utf8_lossy(line)).into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_escaped_for_a_terminal_only() {
        let line = b"{\"x\":\"\x1b[31m\xc2\x9b\"}\xff";
        assert_eq!(shown(line, Reader::Program), line.as_slice());
        let expect = "{\"x\":\"\\u001b[31m\\u009b\"}\u{fffd}";
        assert_eq!(shown(line, Reader::Terminal), expect.as_bytes());
    }
}
