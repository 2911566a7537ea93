//! Lines on standard output, many at a time.
//! Never: a system call for each line.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::output::OutputError;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Standard output with a buffer.
pub(super) struct LineOutput {
    out: BufWriter<StdoutLock<'static>>,
}

impl LineOutput {
    pub(super) fn new() -> Self {
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()) }
    }

    /// Prints one line.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), OutputError> {
        self.out.write_all(line)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// Writes the content of the buffer.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        Ok(self.out.flush()?)
    }
}
