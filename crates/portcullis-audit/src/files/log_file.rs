//! The log's open file: appends whole lines, rotates, detects changes by other programs.
//! Never: a broken line in the middle of the file, or a line twice.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::files::disk::Disk;
use crate::files::file_id::FileId;
use crate::files::last_number::{last_in_older_files, last_in_text, read_tail, read_text};
use crate::files::path::folder_of;
use crate::files::rotation_request::{is_at, mark_in_use};
use crate::files::segment::Naming;
use crate::record::timestamp::utc;

/// Attempts to open the file while another program closes it, and the pause between them.
const OPEN_ATTEMPTS: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Characters of a date in RFC 3339.
const DATE_LENGTH: usize = 10;

/// The log's open file.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    file: Arc<File>,
    id: FileId,
    /// Whether it is a file; devices and pipes are never rotated.
    regular: bool,
    bytes: u64,
    /// Whether the last line is incomplete, and not of this process.
    torn: bool,
    /// A part of a line that a failed write left, and that could not be removed yet.
    rest: Option<WrittenRest>,
    /// Whether the file is marked as in use, so that no other program renames it to erase lines.
    marked: bool,
    /// The number of the first line.
    first: Option<u64>,
    /// The date of the first line.
    date: String,
    /// Bytes before and after another program truncated the file, until it is reported.
    truncated: Option<(u64, u64)>,
}

/// Some lines of a batch were not written.
#[derive(Debug)]
pub(crate) struct AppendError {
    pub(crate) error: io::Error,
    /// Bytes of the batch that are in the file, all of them whole lines.
    pub(crate) whole: usize,
}

/// A part of a line at the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WrittenRest {
    /// The end of the last whole line.
    from: u64,
    bytes: u64,
}

/// A change of the file by another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// The open file has another path; the log's path is free or names another file.
    Renamed,
    /// The open file is deleted; the log's path is free or names another file.
    Deleted,
    /// The file is shorter than before.
    Truncated { from: u64, to: u64 },
}

/// The UTC date of a time.
pub(crate) fn date(unix_ms: i64) -> String {
    let mut text = utc(unix_ms);
    text.truncate(DATE_LENGTH);
    text
}

impl LogFile {
    /// Opens the file for appending; returns the last number in it or in older files.
    ///
    /// A new file has mode 0640: writable by the owner, readable by the group.
    pub(crate) fn open(path: &Path, disk: Arc<dyn Disk>) -> io::Result<(Self, u64)> {
        let (file, marked) = open_marked(path, AllowedType::FileOrDevice)?;
        let mut log = Self {
            path: path.to_owned(),
            disk,
            file: Arc::new(file),
            id: FileId::default(),
            regular: false,
            bytes: 0,
            torn: false,
            rest: None,
            marked,
            first: None,
            date: String::new(),
            truncated: None,
        };
        let mut last = log.examine()?;
        if last == 0 && log.regular {
            last = last_in_older_files(path)?;
        }
        Ok((log, last))
    }

    /// Opens the path again after another program moved the file.
    ///
    /// # Errors
    /// Also when a device or pipe replaced the file: lines written there would be lost. And when
    /// the open file still ends with a part of a line.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.remove_rest()?;
        let allowed = if self.regular { AllowedType::File } else { AllowedType::FileOrDevice };
        let (file, marked) = open_marked(&self.path, allowed)?;
        (self.file, self.marked) = (Arc::new(file), marked);
        self.examine().map(|_last| ())
    }

    /// Reads the state of the file; returns the number of its last line.
    fn examine(&mut self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        self.id = FileId::of(&metadata);
        self.regular = metadata.is_file();
        self.bytes = metadata.len();
        (self.torn, self.first) = (false, None);
        self.date.clear();
        if !self.regular || self.bytes == 0 {
            return Ok(0);
        }
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))?;
        let head = read_text(file)?;
        let line = head.lines().next().unwrap_or_default();
        self.first = last_in_text(line);
        let date = line.split_once("\"@timestamp\":\"").and_then(|(_, at)| at.get(..DATE_LENGTH));
        self.date.push_str(date.unwrap_or_default());
        let tail = read_tail(file, self.bytes)?;
        self.torn = !tail.ends_with('\n');
        let whole = tail.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(last_in_text(whole).unwrap_or(0))
    }

    /// Appends whole lines; the first one has the number `first`.
    ///
    /// # Errors
    /// [`AppendError`]; the file then ends with its last whole line. If the disk does not even
    /// truncate it, the next call does so first, and writes nothing until that succeeds.
    pub(crate) fn append(
        &mut self,
        lines: &str,
        first: u64,
        unix_ms: i64,
    ) -> Result<(), AppendError> {
        let mut done = 0;
        let result = self.append_all(lines.as_bytes(), &mut done);
        let whole = match &result {
            Ok(()) => lines.len(),
            Err(_) => lines.get(..done).and_then(|it| it.rfind('\n')).map_or(0, |end| end + 1),
        };
        if whole > 0 && self.first.is_none() {
            self.first = Some(first);
            self.date = date(unix_ms);
        }
        self.bytes += whole as u64;
        if result.is_err() && done > whole {
            let bytes = (done - whole) as u64;
            if self.regular {
                self.rest = Some(WrittenRest { from: self.bytes, bytes });
            } else {
                self.torn = true;
            }
            if let Err(error) = self.remove_rest() {
                tracing::error!(%error, bytes, "a part of a line stays in the security log");
            }
        }
        result.map_err(|error| AppendError { error, whole })
    }

    fn append_all(&mut self, bytes: &[u8], done: &mut usize) -> io::Result<()> {
        self.remove_rest()?;
        if self.regular {
            let length = self.file.metadata()?.len();
            self.update_length(length)?;
        }
        if self.torn {
            self.write_some(b"\n")?;
            self.torn = false;
            self.bytes += 1;
        }
        while let Some(rest) = bytes.get(*done..).filter(|rest| !rest.is_empty()) {
            *done += self.write_some(rest)?;
        }
        Ok(())
    }

    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.disk.write(&self.file, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Removes the part of a line that a failed write left.
    ///
    /// The writer still has its record, so nothing is lost.
    fn remove_rest(&mut self) -> io::Result<()> {
        let Some(WrittenRest { from, bytes }) = self.rest else { return Ok(()) };
        let metadata = self.file.metadata()?;
        // If another program changed the end of the file, it stays as evidence. The end of a
        // deleted file has no reader.
        if metadata.len() == from + bytes && metadata.nlink() > 0 {
            self.disk.shrink(&self.file, from)?;
            self.bytes = from;
        }
        self.rest = None;
        Ok(())
    }

    /// The change by another program since the last write or check.
    pub(crate) fn check(&mut self) -> io::Result<Option<FileChange>> {
        let metadata = self.file.metadata()?;
        let is_same = match std::fs::metadata(&self.path) {
            Ok(at_path) => FileId::of(&at_path) == self.id,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_same {
            let deleted = metadata.nlink() == 0;
            return Ok(Some(if deleted { FileChange::Deleted } else { FileChange::Renamed }));
        }
        if self.regular {
            self.marked = self.marked || mark_in_use(&self.file);
            self.update_length(metadata.len())?;
        }
        Ok(self.truncated.take().map(|(from, to)| FileChange::Truncated { from, to }))
    }

    /// Stores the length of the file; detects that another program truncated it.
    fn update_length(&mut self, length: u64) -> io::Result<()> {
        let from = std::mem::replace(&mut self.bytes, length);
        if length >= from {
            return Ok(());
        }
        self.truncated = Some((from, length));
        let mut last = *b"\n";
        if length == 0 {
            self.first = None;
        } else {
            self.file.read_at(&mut last, length - 1)?;
        }
        self.torn = last != *b"\n";
        Ok(())
    }

    /// The reason to close the file before the next line; `None` without one.
    pub(crate) fn rotation_reason(&self, segment_bytes: u64, unix_ms: i64) -> Option<&'static str> {
        if !self.has_lines() {
            return None;
        }
        if self.bytes >= segment_bytes {
            return Some("size");
        }
        (self.date < date(unix_ms)).then_some("day")
    }

    /// Whether it is a file with a line, which can be rotated.
    pub(crate) fn has_lines(&self) -> bool {
        self.regular && self.bytes > 0 && self.first.is_some()
    }

    /// Renames the file and opens a new one; returns the path and handle of the old file.
    ///
    /// # Errors
    /// When the disk does not allow it; the old file stays in use.
    pub(crate) fn rotate(
        &mut self,
        naming: &Naming,
        unix_ms: i64,
    ) -> io::Result<(PathBuf, Arc<File>)> {
        let closed = naming.closed(unix_ms, self.first.unwrap_or(0));
        if closed.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Another program may have put another file there since the last check.
        if !self.regular || self.id != FileId::of(&std::fs::metadata(&self.path)?) {
            return Err(io::ErrorKind::NotFound.into());
        }
        std::fs::rename(&self.path, &closed)?;
        let old = Arc::clone(&self.file);
        if let Err(error) = self.reopen() {
            self.file = old;
            let _renamed_back = std::fs::rename(&closed, &self.path);
            self.examine()?;
            return Err(error);
        }
        Ok((closed, old))
    }

    /// Whether the file has no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether it is a file, not a device or pipe.
    pub(crate) fn is_regular(&self) -> bool {
        self.regular
    }

    /// The identity of the open file.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// The open file, for the thread that syncs it.
    pub(crate) fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// The number of the first line.
    pub(crate) fn first(&self) -> u64 {
        self.first.unwrap_or(0)
    }

    /// Free bytes on the disk of the file.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        self.disk.space(&folder_of(&self.path)).map(|space| space.free)
    }
}

/// The file types that are allowed at the log's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AllowedType {
    File,
    /// A file, or a character device such as `/dev/null`.
    FileOrDevice,
}

impl AllowedType {
    fn check(self, metadata: &Metadata) -> io::Result<()> {
        let found = metadata.file_type();
        if found.is_file() || (self == Self::FileOrDevice && found.is_char_device()) {
            return Ok(());
        }
        let text = if found.is_fifo() {
            "the path names a named pipe, not a regular file"
        } else {
            "the path does not name a regular file"
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

/// Opens the file and marks it as in use; whether the mark is set.
///
/// Without a mark, another program does not know that the file is in use. So the file is opened
/// again until that program has closed it.
fn open_marked(path: &Path, allowed: AllowedType) -> io::Result<(File, bool)> {
    let mut file = open_at(path, allowed)?;
    for _ in 0..OPEN_ATTEMPTS {
        if !file.metadata()?.is_file() {
            return Ok((file, false));
        }
        if mark_in_use(&file) && is_at(path, &file).unwrap_or(false) {
            return Ok((file, true));
        }
        std::thread::sleep(OPEN_PAUSE);
        file = open_at(path, allowed)?;
    }
    tracing::warn!("another program has locked the file of the security log");
    Ok((file, false))
}

fn open_at(path: &Path, allowed: AllowedType) -> io::Result<File> {
    // Checked before it is opened: opening a pipe has effects, and can wait for its reader.
    match std::fs::metadata(path) {
        Ok(metadata) => allowed.check(&metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).read(true).mode(0o640);
    let file = options.open(path)?;
    allowed.check(&file.metadata()?)?;
    Ok(file)
}
