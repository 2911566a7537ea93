//! The file of the spool: read at the start, replaced as a whole.
//! Never: half a file; a file that other users can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::spool::delivery::Delivery;

/// The largest file that is read: the bodies, escaped, and their heads.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads all messages.
///
/// Lines that are not valid are skipped: a later version wrote them, or they are damaged. The file
/// is kept aside then, as a copy, because the next one replaces it.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Delivery>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
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
    if skipped > 0 {
        keep_aside(path, &bytes, skipped);
    }
    Ok(found)
}

/// Keeps a copy of a file with lines that are not sent.
fn keep_aside(path: &Path, bytes: &[u8], skipped: usize) {
    let aside = with_suffix(path, ".broken");
    let kept = replace(&aside, bytes);
    let (path, aside) = (path.display(), aside.display());
    tracing::error!(
        %path, skipped,
        "undelivered alerts of a later version, or damaged ones, are not sent"
    );
    match kept {
        Ok(()) => tracing::error!(%aside, "a copy of the file with these alerts is kept"),
        Err(error) => tracing::error!(%error, %aside, "no copy of the file can be kept"),
    }
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
    let beside = with_suffix(path, ".new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // Without this, the former file can be back after a loss of power.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::spool::delivery::Progress;
    use crate::spool::hold::{Hold, Stage};

    #[test]
    fn messages_survive_and_a_file_with_invalid_lines_is_kept_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.spool");
        assert_eq!(read(&path).unwrap(), []);
        let delivery = Delivery {
            severity: 3,
            progress: Progress { attempts: 2, ..Progress::new(5) },
            hold: Hold { stage: Stage::Begins, until_unix_ms: Some(7) },
            ..Delivery::sample("page", "{\"a\":\"\\n\"}")
        };
        let both = [delivery.clone(), delivery];
        write(&path, &both).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap(), both);
        let aside = directory.path().join("alerts.spool.broken");
        assert!(!aside.exists());
        let text = fs::read_to_string(&path).unwrap();
        let (first, _) = text.split_once('\n').unwrap();
        let damaged = &text[..text.len() - 9];
        let later = format!("{first}\n{{\"format\":2}}\n");
        for changed in [damaged, &later] {
            fs::write(&path, changed).unwrap();
            assert_eq!(read(&path).unwrap(), both[..1]);
            assert_eq!(fs::read_to_string(&aside).unwrap(), changed);
            assert_eq!(fs::metadata(&aside).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // The form of messages before there were quiet hours.
        let (start, _) = first.split_once(",\"hold\"").unwrap();
        fs::write(&path, format!("{start}}}\n")).unwrap();
        let earlier = Delivery { hold: Hold::default(), ..both[0].clone() };
        assert_eq!(read(&path).unwrap(), [earlier]);
    }
}
