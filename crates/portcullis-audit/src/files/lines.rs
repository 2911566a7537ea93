//! Reads the lines of one file of the log, plain or compressed.
//! Never: more than one line in memory.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// Longest line that is read as a whole; records are shorter.
const LINE_MAX_BYTES: u64 = 64 * 1024;
/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Calls `take` with each line, line end included, and with its offset in the uncompressed content.
pub(crate) fn each_line(
    path: &Path,
    mut take: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    if is_compressed(path) {
        let lines = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file));
        return read(lines, &mut take);
    }
    read(file, &mut take)
}

/// Whether a file is compressed, by its name.
pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("gz"))
}

fn read(
    mut lines: impl BufRead,
    take: &mut impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let (mut line, mut offset) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = lines.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        take(&line, offset)?;
        offset += length as u64;
    }
}
