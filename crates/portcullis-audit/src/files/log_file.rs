//! The log's open file: appended to in whole lines, followed when it is moved or cut.
//! Never: a broken line left in the middle, or a line twice.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;

use crate::files::disk::Disk;
use crate::files::segment::Naming;
use crate::record::encode::utc;

/// How much of a file is read to find its first or last number; a line is shorter than this.
const TAIL_BYTES: u64 = 64 * 1024;
/// Characters of a date in RFC 3339.
const DATE_LENGTH: usize = 10;

/// The log's file.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    file: Arc<File>,
    /// Device and number of the file; none for a device, which is never rotated.
    identity: Option<(u64, u64)>,
    /// The same, also for a device.
    place: (u64, u64),
    bytes: u64,
    /// Whether the last line is broken off.
    torn: bool,
    /// The number of the first line.
    first: Option<u64>,
    /// The date of the first line.
    date: String,
    /// Bytes before and after another program cut the file, until that is reported.
    truncated: Option<(u64, u64)>,
}

/// A piece of lines that was not written as a whole.
#[derive(Debug)]
pub(crate) struct AppendError {
    pub(crate) error: io::Error,
    /// Bytes of the piece that are in the file: whole lines.
    pub(crate) whole: usize,
}

/// What another program did to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The path names another file, or none; ours was renamed.
    Renamed,
    /// The path names another file, or none; ours is deleted.
    Deleted,
    /// The file is shorter than it was.
    Truncated { from: u64, to: u64 },
}

/// The date of a moment, UTC.
pub(crate) fn date(unix_ms: i64) -> String {
    let mut text = utc(unix_ms);
    text.truncate(DATE_LENGTH);
    text
}

impl LogFile {
    /// Opens the file for appending, and finds the number its last line has, or the last line of
    /// the files before it.
    ///
    /// A new file can be written by its owner and read by its group (0640).
    pub(crate) fn open(path: &Path, disk: Arc<dyn Disk>) -> io::Result<(Self, u64)> {
        let file = open_at(path, Kind::FileOrDevice)?;
        let mut log = Self {
            path: path.to_owned(),
            disk,
            file: Arc::new(file),
            identity: None,
            place: (0, 0),
            bytes: 0,
            torn: false,
            first: None,
            date: String::new(),
            truncated: None,
        };
        let mut sequence = log.examine()?;
        if sequence == 0 && log.identity.is_some() {
            sequence = last_of_older(path)?;
        }
        Ok((log, sequence))
    }

    /// Opens the path anew, after another program moved the file. A device or pipe that was put in
    /// its place is not taken: lines would vanish in it.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        let kind = if self.is_regular() { Kind::File } else { Kind::FileOrDevice };
        self.file = Arc::new(open_at(&self.path, kind)?);
        self.examine().map(|_last| ())
    }

    /// Reads what is in the file; gives the number of its last line.
    fn examine(&mut self) -> io::Result<u64> {
        let facts = self.file.metadata()?;
        self.place = identity(&facts);
        self.identity = facts.is_file().then_some(self.place);
        self.bytes = facts.len();
        (self.torn, self.first) = (false, None);
        self.date.clear();
        if self.identity.is_none() || self.bytes == 0 {
            return Ok(0);
        }
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))?;
        let head = read_text(file)?;
        let line = head.lines().next().unwrap_or_default();
        self.first = sequence_in(line);
        let dated = line.split_once("\"@timestamp\":\"").and_then(|(_, at)| at.get(..DATE_LENGTH));
        self.date.push_str(dated.unwrap_or_default());
        file.seek(SeekFrom::Start(self.bytes.saturating_sub(TAIL_BYTES)))?;
        let tail = read_text(file)?;
        self.torn = !tail.ends_with('\n');
        let whole = tail.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(sequence_in(whole).unwrap_or(0))
    }

    /// Appends whole lines, of which the first has the number `first`.
    ///
    /// # Errors
    /// [`AppendError`]; the file is cut back to its last whole line.
    pub(crate) fn append(
        &mut self,
        piece: &str,
        first: u64,
        unix_ms: i64,
    ) -> Result<(), AppendError> {
        let mut done = 0;
        let result = self.append_all(piece.as_bytes(), &mut done);
        let whole = match &result {
            Ok(()) => piece.len(),
            Err(_) => piece.get(..done).and_then(|it| it.rfind('\n')).map_or(0, |end| end + 1),
        };
        if whole > 0 && self.first.is_none() {
            self.first = Some(first);
            self.date = date(unix_ms);
        }
        if result.is_err() && done > whole {
            self.torn = !self.cut((done - whole) as u64);
        }
        self.bytes += whole as u64;
        result.map_err(|error| AppendError { error, whole })
    }

    fn append_all(&mut self, bytes: &[u8], done: &mut usize) -> io::Result<()> {
        if self.identity.is_some() {
            let length = self.file.metadata()?.len();
            self.notice(length)?;
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

    /// Takes the last `bytes` of the file back; whether that was done.
    fn cut(&self, bytes: u64) -> bool {
        if self.identity.is_none() {
            return false;
        }
        let length = self.file.metadata().map(|facts| facts.len());
        length.is_ok_and(|length| self.file.set_len(length.saturating_sub(bytes)).is_ok())
    }

    /// What another program did to the file since it was last written or looked at.
    pub(crate) fn check(&mut self) -> io::Result<Option<Change>> {
        let facts = self.file.metadata()?;
        let is_same = match std::fs::metadata(&self.path) {
            Ok(there) => identity(&there) == self.place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_same {
            return Ok(Some(if facts.nlink() == 0 { Change::Deleted } else { Change::Renamed }));
        }
        if self.is_regular() {
            self.notice(facts.len())?;
        }
        Ok(self.truncated.take().map(|(from, to)| Change::Truncated { from, to }))
    }

    /// Takes over how long the file is, which another program may have cut.
    fn notice(&mut self, length: u64) -> io::Result<()> {
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

    /// Whether the file is to be closed before more is written.
    pub(crate) fn is_due(&self, segment_bytes: u64, unix_ms: i64) -> Option<&'static str> {
        if self.identity.is_none() || self.bytes == 0 || self.first.is_none() {
            return None;
        }
        if self.bytes >= segment_bytes {
            return Some("size");
        }
        (self.date < date(unix_ms)).then_some("day")
    }

    /// Renames the file and goes on in a new one; gives the old one's path and file.
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
        // Another program may have put another file there since it was looked at.
        if self.identity != Some(identity(&std::fs::metadata(&self.path)?)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        std::fs::rename(&self.path, &closed)?;
        let old = Arc::clone(&self.file);
        if let Err(error) = self.reopen() {
            self.file = old;
            let _back = std::fs::rename(&closed, &self.path);
            self.examine()?;
            return Err(error);
        }
        Ok((closed, old))
    }

    /// Whether it is a file, not a device or pipe.
    pub(crate) fn is_regular(&self) -> bool {
        self.identity.is_some()
    }

    /// Device and number of the open file.
    pub(crate) fn place(&self) -> (u64, u64) {
        self.place
    }

    /// The open file, for the thread that syncs it.
    pub(crate) fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// The number of the first line.
    pub(crate) fn first(&self) -> u64 {
        self.first.unwrap_or(0)
    }

    /// Bytes that are free where the file is.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        self.disk.space(&crate::files::reserve::folder_of(&self.path)).map(|space| space.free)
    }
}

/// What may stand under the log's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// A file, or a device such as `/dev/null`.
    FileOrDevice,
}

impl Kind {
    fn check(self, facts: &Metadata) -> io::Result<()> {
        let kind = facts.file_type();
        if kind.is_file() || (self == Self::FileOrDevice && kind.is_char_device()) {
            return Ok(());
        }
        let what = if kind.is_fifo() { "a named pipe" } else { "not a regular file" };
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what} stands in its place")))
    }
}

fn open_at(path: &Path, kind: Kind) -> io::Result<File> {
    // Before it is opened: opening a pipe has effects, and may wait for its reader.
    match std::fs::metadata(path) {
        Ok(facts) => kind.check(&facts)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).read(true).mode(0o640);
    let file = options.open(path)?;
    kind.check(&file.metadata()?)?;
    Ok(file)
}

fn identity(facts: &Metadata) -> (u64, u64) {
    (facts.dev(), facts.ino())
}

fn read_text(file: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last number in a text. A peer's text cannot hold this: its quotes are escaped.
fn sequence_in(text: &str) -> Option<u64> {
    let (_, digits) = text.rsplit_once("\"sequence\":")?;
    let end = digits.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// The highest number in the newest closed file, or in one that another program renamed.
fn last_of_older(log: &Path) -> io::Result<u64> {
    let mut last = 0;
    if let Some(newest) = Naming::of(log).list()?.pop() {
        let file = File::open(&newest.path)?;
        last = if newest.compressed { last_of_compressed(file)? } else { last_of(file)? };
        last = last.max(newest.first);
    }
    // What `logrotate` makes of it.
    let mut renamed = log.as_os_str().to_owned();
    renamed.push(".1");
    match File::open(PathBuf::from(renamed)) {
        Ok(file) => Ok(last.max(last_of(file)?)),
        Err(_) => Ok(last),
    }
}

fn last_of(mut file: File) -> io::Result<u64> {
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
    Ok(sequence_in(&read_text(file)?).unwrap_or(0))
}

fn last_of_compressed(file: File) -> io::Result<u64> {
    let mut lines = GzDecoder::new(file);
    let (mut kept, mut next) = (Vec::new(), vec![0; TAIL_BYTES as usize]);
    loop {
        let count = lines.read(&mut next)?;
        if count == 0 {
            return Ok(sequence_in(&String::from_utf8_lossy(&kept)).unwrap_or(0));
        }
        let surplus = (kept.len() + count).saturating_sub(TAIL_BYTES as usize);
        kept.drain(..surplus.min(kept.len()));
        kept.extend_from_slice(next.get(..count).unwrap_or_default());
    }
}
