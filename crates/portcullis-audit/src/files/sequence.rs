//! The last number of the log, kept apart from the log: numbers go on when its files are moved.
//! Never: written for each record; it holds a number that the log has not passed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// So many numbers are covered by one write. After a crash at most as many are left out, and only
/// if the log is not in its place.
const STEP: u64 = 4_096;
/// Digits of each number in the file. The length never changes, so a full disk takes each write.
const DIGITS: usize = 20;

/// The file.
#[derive(Debug)]
pub(crate) struct SequenceFile {
    file: Arc<File>,
    kept: Kept,
}

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    /// No line has a higher number.
    pub(crate) bound: u64,
    /// Device and number of the log's file.
    pub(crate) place: (u64, u64),
}

impl SequenceFile {
    /// Opens or creates the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        let mut text = String::new();
        // What is not text of this form counts as nothing.
        let _not_text = (&file).take(STEP).read_to_string(&mut text);
        Ok(Self { file: Arc::new(file), kept: parse(&text).unwrap_or_default() })
    }

    /// The number after which the log goes on; `last` is what its files say.
    ///
    /// The file that was written last says it exactly. Without it there may have been more.
    pub(crate) fn go_on(&self, last: u64, place: (u64, u64)) -> u64 {
        if last > 0 && place == self.kept.place { last } else { last.max(self.kept.bound) }
    }

    /// Sees to it that `last` is covered before it is written; gives the file if that wrote to it.
    pub(crate) fn cover(&mut self, last: u64, place: (u64, u64)) -> io::Result<Option<Arc<File>>> {
        if last <= self.kept.bound && place == self.kept.place {
            return Ok(None);
        }
        self.write(Kept { bound: last.saturating_add(STEP), place }).map(Some)
    }

    /// Writes the exact number, at the end.
    pub(crate) fn finish(&mut self, last: u64, place: (u64, u64)) -> io::Result<Arc<File>> {
        self.write(Kept { bound: last, place })
    }

    fn write(&mut self, kept: Kept) -> io::Result<Arc<File>> {
        let Kept { bound, place: (device, number) } = kept;
        let text = format!("{bound:0DIGITS$} {device:0DIGITS$} {number:0DIGITS$}\n");
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.kept = kept;
        Ok(Arc::clone(&self.file))
    }
}

fn parse(text: &str) -> Option<Kept> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Kept { bound: next()?, place: (next()?, next()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_exactly_in_place_and_never_back_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security-log.sequence");
        let (here, elsewhere) = ((1, 7), (1, 8));
        let mut file = SequenceFile::open(&path).unwrap();
        assert_eq!(file.go_on(3, here), 3, "a log of an earlier version");
        assert!(file.cover(4, here).unwrap().is_some());
        assert!(file.cover(4 + STEP, here).unwrap().is_none(), "one write for many");
        // After a crash.
        let file = SequenceFile::open(&path).unwrap();
        assert_eq!(file.go_on(9, here), 9);
        assert_eq!(file.go_on(9, elsewhere), 4 + STEP);
        assert_eq!(file.go_on(0, here), 4 + STEP, "the log was cut");
        // After an orderly end.
        let mut file = SequenceFile::open(&path).unwrap();
        file.finish(9, here).unwrap();
        let file = SequenceFile::open(&path).unwrap();
        assert_eq!((file.go_on(0, elsewhere), file.go_on(20, elsewhere)), (9, 20));
    }

    #[test]
    fn file_of_another_form_counts_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security-log.sequence");
        for text in [&b""[..], b"12", b"a b c", b"\xff\xfe 1 2", b"1 2 99999999999999999999"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(SequenceFile::open(&path).unwrap().kept, Kept::default());
        }
    }
}
