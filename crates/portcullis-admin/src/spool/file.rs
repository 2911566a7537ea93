//! The file of the spool: read at the start, replaced as a whole.
//! Never: half a file; a file that other users can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::spool::delivery::Delivery;

/// The largest file that is read: the bodies, escaped, and their heads.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads all messages; lines that are not valid are skipped and counted.
pub(crate) fn read(path: &Path) -> io::Result<(Vec<Delivery>, usize)> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    if length > BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let bytes = fs::read(path)?;
    let mut found = Vec::new();
    let mut skipped = 0;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(delivery) => found.push(delivery),
            Err(_) => skipped += 1,
        }
    }
    Ok((found, skipped))
}

/// Replaces the file by these messages.
pub(crate) fn write(path: &Path, deliveries: &[Delivery]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for delivery in deliveries {
        serde_json::to_writer(&mut bytes, delivery)?;
        bytes.push(b'\n');
    }
    replace(path, &bytes)
}

/// Writes a file beside, syncs it, renames it and syncs the folder.
///
/// A reader sees the old content or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // Without this, the former file can be back after a loss of power.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::spool::delivery::Progress;
    use crate::spool::hold::{Hold, Stage};

    #[test]
    fn messages_survive_and_broken_lines_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.spool");
        assert_eq!(read(&path).unwrap(), (Vec::new(), 0));
        let delivery = Delivery {
            severity: 3,
            progress: Progress { attempts: 2, ..Progress::new(5) },
            hold: Hold { stage: Stage::Begins, until_unix_ms: Some(7) },
            ..Delivery::sample("page", "{\"a\":\"\\n\"}")
        };
        let both = [delivery.clone(), delivery];
        write(&path, &both).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap(), (both.to_vec(), 0));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(read(&path).unwrap(), (both[..1].to_vec(), 1));
    }
}
