//! Compresses a closed file with gzip.
//! Never: removes the plain file before the compressed file is on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::files::path::with_suffix;

/// Bytes between two calls of `may_continue`.
const CHUNK_BYTES: usize = 256 * 1024;

/// Compresses a file and removes the plain one; `false` when `may_continue` stopped it.
pub(crate) fn compress(plain: &Path, may_continue: impl Fn() -> bool) -> io::Result<bool> {
    let part = with_suffix(plain, ".gz.part");
    let result = write(plain, &part, may_continue);
    if matches!(result, Ok(true)) {
        std::fs::rename(&part, with_suffix(plain, ".gz"))?;
        std::fs::remove_file(plain)?;
    } else {
        let _removed = std::fs::remove_file(&part);
    }
    result
}

fn write(plain: &Path, part: &Path, may_continue: impl Fn() -> bool) -> io::Result<bool> {
    let mut source = File::open(plain)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o640);
    let mut encoder = GzEncoder::new(options.open(part)?, Compression::default());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        if !may_continue() {
            return Ok(false);
        }
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        encoder.write_all(chunk.get(..count).unwrap_or_default())?;
    }
    encoder.finish()?.sync_all()?;
    Ok(true)
}
