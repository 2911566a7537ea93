//! A rotation that another program wants: the server does it, or this process without a server.
//! Never: the file renamed while a server writes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::files::file_id::FileId;
use crate::files::last_number::TAIL_BYTES;
use crate::files::path::with_suffix;
use crate::files::segment::Naming;
use crate::files::segment_lock::{NO_LINK, keep_owner};
use crate::read::line_reader::LineReader;
use crate::read::line_text::line_sequence;

/// Pause between two samples of the log, while the server rotates it.
const PAUSE: Duration = Duration::from_millis(50);
/// Pauses until the server is considered not to answer: ten seconds.
const PAUSES_MAX: u32 = 200;

/// The result of a rotation from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RotationOutcome {
    /// The file is closed, or has no line.
    Closed,
    /// A server has the file open and did not rotate it within ten seconds.
    NoAnswer,
}

/// The file that asks a server for a rotation: `security.log.rotate`. Dropping it removes it.
#[derive(Debug)]
struct RotationRequest(PathBuf);

impl Drop for RotationRequest {
    fn drop(&mut self) {
        // Usually the server has removed it.
        let _gone = std::fs::remove_file(&self.0);
    }
}

fn request_path(naming: &Naming) -> PathBuf {
    with_suffix(&naming.open(), ".rotate")
}

/// Whether another program asks for a rotation; the request is removed.
///
/// A request that cannot be removed does not count, or it would be met again and again.
pub(crate) fn take_request(naming: &Naming) -> bool {
    std::fs::remove_file(request_path(naming)).is_ok()
}

/// Marks the open file of a log as in use by this process; `false` while another program owns it.
///
/// The mark ends with the last handle of the file.
pub(crate) fn mark_in_use(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockShared).is_ok()
}

/// Closes the open file of a log: the server does it, or this process if none is running.
///
/// The caller has the lock on closed files.
///
/// # Errors
/// An I/O error if a file cannot be read, created or renamed.
pub(crate) fn rotate_from_outside(
    naming: &Naming,
    now_unix_ms: i64,
) -> io::Result<RotationOutcome> {
    let log = naming.open();
    let file = match File::open(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(RotationOutcome::Closed);
        }
        file => file?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => close_file(naming, &file, now_unix_ms).map(|()| RotationOutcome::Closed),
        Err(rustix::io::Errno::WOULDBLOCK) => ask_server(naming, &file),
        Err(error) => Err(error.into()),
    }
}

fn ask_server(naming: &Naming, file: &File) -> io::Result<RotationOutcome> {
    let (log, path) = (naming.open(), request_path(naming));
    let id = FileId::of(&file.metadata()?);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_LINK);
    options.open(&path)?;
    let _request = RotationRequest(path);
    for _ in 0..PAUSES_MAX {
        std::thread::sleep(PAUSE);
        match std::fs::metadata(&log) {
            Ok(now) if FileId::of(&now) == id => {}
            Ok(_) => return Ok(RotationOutcome::Closed),
            // Between the rename and the new file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(RotationOutcome::NoAnswer)
}

/// Renames the file of a log that no server writes.
///
/// Bytes of an incomplete last line become the new open file: the server that starts sets them
/// aside and records it.
fn close_file(naming: &Naming, file: &File, now_unix_ms: i64) -> io::Result<()> {
    let Some(first) = first_number(file)? else { return Ok(()) };
    let log = naming.open();
    let closed = naming.closed(now_unix_ms, first);
    if closed.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let metadata = file.metadata()?;
    let torn = torn_tail(file, metadata.len())?;
    if torn.is_empty() {
        return std::fs::rename(&log, &closed);
    }
    let part = with_suffix(&log, ".part");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_LINK);
    let mut rest = options.open(&part)?;
    rest.write_all(&torn)?;
    keep_owner(&rest, &metadata)?;
    rest.sync_all()?;
    std::fs::rename(&log, &closed)?;
    std::fs::rename(&part, &log)?;
    let whole = OpenOptions::new().write(true).open(&closed)?;
    whole.set_len(metadata.size() - torn.len() as u64)?;
    whole.sync_all()
}

fn first_number(file: &File) -> io::Result<Option<u64>> {
    let mut lines = LineReader::plain(file.try_clone()?);
    while let Some(line) = lines.next_complete()? {
        if let Some(number) = line_sequence(line.bytes) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The bytes behind the last line end.
fn torn_tail(mut file: &File, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(tail.split_off(end))
}

/// Whether the path of a log still names this file.
pub(crate) fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    Ok(FileId::of(&std::fs::metadata(path)?) == FileId::of(&file.metadata()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "{\"event\":{\"sequence\":7}}\n{\"event\":{\"sequence\":8}}\n";

    #[test]
    fn file_without_a_server_is_closed_and_a_torn_line_stays_in_the_open_file() {
        for torn in ["", "{\"event\":{\"seq"] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("security.log");
            std::fs::write(&log, format!("{LINES}{torn}")).unwrap();
            let naming = Naming::of(&log);
            let outcome = rotate_from_outside(&naming, 1_785_585_600_000).unwrap();
            assert_eq!(outcome, RotationOutcome::Closed);
            let closed = folder.path().join("security-20260801T120000Z-7.log");
            assert_eq!(std::fs::read_to_string(closed).unwrap(), LINES);
            assert_eq!(std::fs::read_to_string(&log).unwrap_or_default(), torn);
            let again = rotate_from_outside(&naming, 1_785_585_601_000).unwrap();
            assert_eq!(again, RotationOutcome::Closed, "there is no line to close");
            assert_eq!(
                folder.path().read_dir().unwrap().count(),
                1 + usize::from(!torn.is_empty())
            );
        }
    }

    #[test]
    fn file_of_a_server_is_not_renamed_from_outside() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        std::fs::write(&log, LINES).unwrap();
        let server = File::open(&log).unwrap();
        assert!(mark_in_use(&server));
        let naming = Naming::of(&log);
        let asking = std::thread::spawn({
            let naming = naming.clone();
            move || rotate_from_outside(&naming, 0).unwrap()
        });
        while !take_request(&naming) {
            std::thread::yield_now();
        }
        assert!(log.exists(), "only the server renames it");
        std::fs::rename(&log, folder.path().join("closed")).unwrap();
        std::fs::write(&log, "").unwrap();
        assert_eq!(asking.join().unwrap(), RotationOutcome::Closed);
        assert!(!request_path(&naming).exists());
    }
}
