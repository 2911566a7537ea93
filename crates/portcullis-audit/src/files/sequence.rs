//! The last sequence number in a file of its own: numbers continue when the log's files are moved.
//! Never: written for each record; it holds an upper bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::files::file_id::FileId;
use crate::read::line_text::SEQUENCE_MAX;

/// Numbers that one write reserves.
///
/// After a crash at most this many are skipped, and only if the log was moved.
const STEP: u64 = 4_096;
/// Digits of each number in the file. The length never changes, so writes succeed on a full disk.
const DIGITS: usize = 20;

/// The file with the last sequence number.
#[derive(Debug)]
pub(crate) struct SequenceFile {
    file: Arc<File>,
    bound: SequenceBound,
}

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SequenceBound {
    /// No line has a higher number.
    pub(crate) number: u64,
    /// The log's file that was written last.
    pub(crate) log: FileId,
}

impl SequenceFile {
    /// Opens or creates the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        let mut text = String::new();
        // Content in another format counts as empty.
        let _not_text = (&file).take(STEP).read_to_string(&mut text);
        Ok(Self { file: Arc::new(file), bound: parse(&text).unwrap_or_default() })
    }

    /// The number of the last line; `last` is the number found in the log's files.
    ///
    /// The number in the file that was written last is exact. Without that file the bound counts.
    pub(crate) fn last_number(&self, last: u64, log: FileId) -> u64 {
        if last > 0 && log == self.bound.log { last } else { last.max(self.bound.number) }
    }

    /// Reserves the numbers up to `last` before their lines are written.
    ///
    /// Returns the file for a sync if the reservation wrote to it.
    pub(crate) fn reserve(&mut self, last: u64, log: FileId) -> io::Result<Option<Arc<File>>> {
        if last <= self.bound.number && log == self.bound.log {
            return Ok(None);
        }
        self.write(SequenceBound { number: last.saturating_add(STEP), log }).map(Some)
    }

    /// Writes the exact number when the log is closed.
    pub(crate) fn finish(&mut self, last: u64, log: FileId) -> io::Result<Arc<File>> {
        self.write(SequenceBound { number: last, log })
    }

    fn write(&mut self, bound: SequenceBound) -> io::Result<Arc<File>> {
        let SequenceBound { number, log: FileId { device, inode } } = bound;
        let text = format!("{number:0DIGITS$} {device:0DIGITS$} {inode:0DIGITS$}\n");
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.bound = bound;
        Ok(Arc::clone(&self.file))
    }
}

fn parse(text: &str) -> Option<SequenceBound> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    let mut next = || numbers.next().flatten();
    let number = next().filter(|number| *number <= SEQUENCE_MAX)?;
    Some(SequenceBound { number, log: FileId { device: next()?, inode: next()? } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_continue_exactly_in_the_same_file_and_never_decrease() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security-log.sequence");
        let (here, elsewhere) = (FileId { device: 1, inode: 7 }, FileId { device: 1, inode: 8 });
        let mut file = SequenceFile::open(&path).unwrap();
        assert_eq!(file.last_number(3, here), 3, "a log of an earlier version");
        assert!(file.reserve(4, here).unwrap().is_some());
        assert!(file.reserve(4 + STEP, here).unwrap().is_none(), "one write for many");
        // After a crash.
        let file = SequenceFile::open(&path).unwrap();
        assert_eq!(file.last_number(9, here), 9);
        assert_eq!(file.last_number(9, elsewhere), 4 + STEP);
        assert_eq!(file.last_number(0, here), 4 + STEP, "the log was truncated");
        // After an orderly close.
        let mut file = SequenceFile::open(&path).unwrap();
        file.finish(9, here).unwrap();
        let file = SequenceFile::open(&path).unwrap();
        assert_eq!((file.last_number(0, elsewhere), file.last_number(20, elsewhere)), (9, 20));
    }

    #[test]
    fn file_in_another_format_counts_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security-log.sequence");
        for text in [&b""[..], b"12", b"a b c", b"\xff\xfe 1 2", b"1 2 99999999999999999999"]
            .into_iter()
            .chain([&b"18446744073709551615 1 2"[..]])
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(SequenceFile::open(&path).unwrap().bound, SequenceBound::default());
        }
    }
}
