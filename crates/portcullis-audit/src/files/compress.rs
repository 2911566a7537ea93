//! A closed file becomes a compressed one (gzip).
//! Never: the plain file removed before the compressed one is on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes between two questions whether to go on.
const CHUNK_BYTES: usize = 256 * 1024;

/// Compresses a file and removes the plain one; `false` when `go_on` stopped it half-way.
pub(crate) fn compress(plain: &Path, go_on: impl Fn() -> bool) -> io::Result<bool> {
    let part = with_suffix(plain, ".gz.part");
    let done = write(plain, &part, go_on);
    if matches!(done, Ok(true)) {
        std::fs::rename(&part, with_suffix(plain, ".gz"))?;
        std::fs::remove_file(plain)?;
    } else {
        let _removed = std::fs::remove_file(&part);
    }
    done
}

fn write(plain: &Path, part: &Path, go_on: impl Fn() -> bool) -> io::Result<bool> {
    let mut source = File::open(plain)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o640);
    let mut encoder = GzEncoder::new(options.open(part)?, Compression::default());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        if !go_on() {
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

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
