//! The lines after a number, in order: those of all files, then those that are written later.
//! Never: a line twice, or none because its file was rotated, compressed or renamed meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::file_id::FileId;
use crate::read::line_reader::{LineReader, is_damage};
use crate::read::line_text::line_sequence;
use crate::read::log_files::{LogFile, list_log_files};

/// Reads the lines after a number (`event.sequence`).
#[derive(Debug)]
pub struct Follower {
    log: PathBuf,
    /// The number of the last line that was delivered.
    after: u64,
    file: Option<Current>,
    /// The first number of a closed file that was read to its end.
    finished: Option<u64>,
}

/// The file that is read now.
#[derive(Debug)]
struct Current {
    lines: LineReader,
    first: u64,
    /// Set for the open file.
    open: Option<FileId>,
}

/// A line with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedLine {
    /// The number (`event.sequence`).
    pub sequence: u64,
    /// The line, without its line end.
    pub bytes: Vec<u8>,
}

impl Follower {
    /// Follows a log after the line `after`; 0 starts with its oldest line.
    #[must_use]
    pub fn new(log: &Path, after: u64) -> Self {
        Self { log: log.to_path_buf(), after, file: None, finished: None }
    }

    /// The number of the last line that was delivered.
    #[must_use]
    pub fn after(&self) -> u64 {
        self.after
    }

    /// The next line; `None` while there is none. Lines without a number are left out.
    ///
    /// # Errors
    /// The system's error. A later call tries again.
    pub fn next_line(&mut self) -> io::Result<Option<NumberedLine>> {
        loop {
            if self.file.is_none() && !self.open_next()? {
                return Ok(None);
            }
            // Read before the file's end is believed: the writer may append until it renames.
            let replaced = self.is_replaced();
            if let Some(line) = self.read()? {
                self.after = line.sequence;
                return Ok(Some(line));
            }
            if !replaced {
                return Ok(None);
            }
            self.finished = self.file.take().map(|file| file.first);
        }
    }

    /// Leaves out the rest of a closed file that cannot be read; `false` for the open file.
    pub fn skip_file(&mut self) -> bool {
        let Some(file) = self.file.take_if(|file| file.open.is_none()) else { return false };
        self.finished = Some(file.first);
        true
    }

    /// The next line of the current file.
    fn read(&mut self) -> io::Result<Option<NumberedLine>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        while let Some(line) = file.lines.next_complete()? {
            match line_sequence(line.bytes) {
                Some(sequence) if sequence > self.after => {
                    return Ok(Some(NumberedLine { sequence, bytes: line.bytes.to_vec() }));
                }
                Some(_) | None => {}
            }
        }
        Ok(None)
    }

    /// Whether the current file gets no more lines.
    fn is_replaced(&self) -> bool {
        let Some(open) = self.file.as_ref().and_then(|file| file.open) else { return true };
        let read = self.file.as_ref().map_or(0, |file| file.lines.offset());
        // A file that became shorter was replaced as well.
        let now = std::fs::metadata(&self.log).ok().filter(|metadata| metadata.len() >= read);
        now.map(|metadata| FileId::of(&metadata)) != Some(open)
    }

    /// Opens the file with the next line; `false` while there is none.
    fn open_next(&mut self) -> io::Result<bool> {
        let mut best: Option<(u64, LogFile)> = None;
        for file in list_log_files(&self.log)? {
            let first = match file.first() {
                Ok(Some(first)) => first,
                Ok(None) => continue,
                // A damaged file does not keep the others from being read.
                Err(error) if is_damage(&error) => continue,
                Err(error) => return Err(error),
            };
            if self.finished.is_some_and(|finished| first <= finished) {
                continue;
            }
            // The last file that begins at or before the next line, else the first one after it.
            let next = self.after.saturating_add(1);
            let is_better = match &best {
                None => true,
                Some((other, _)) if first <= next => *other > next || first >= *other,
                Some((other, _)) => *other > next && first < *other,
            };
            if is_better {
                best = Some((first, file));
            }
        }
        let Some((first, file)) = best else { return Ok(false) };
        let open = file.open_id()?;
        self.file = file.lines()?.map(|lines| Current { lines, first, open });
        Ok(self.file.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;
    use crate::read::log_files::tests::write_gz;

    fn text(numbers: std::ops::RangeInclusive<u64>) -> String {
        numbers.map(|number| format!("{{\"event\":{{\"sequence\":{number}}}}}\n")).collect()
    }

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(follower: &mut Follower) -> Vec<u64> {
        std::iter::from_fn(|| follower.next_line().unwrap()).map(|line| line.sequence).collect()
    }

    #[test]
    fn lines_follow_in_order_across_rotation_and_compression() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let closed = |number| folder.path().join(format!("security-20261128T000000Z-{number}.log"));
        let mut follower = Follower::new(&log, 0);
        assert!(read(&mut follower).is_empty(), "no file yet");
        write_gz(&folder.path().join("security-20261127T000000Z-1.log.gz"), &text(1..=3));
        append(&closed(4), &text(4..=5));
        append(&log, &text(6..=7));
        assert_eq!(read(&mut follower), [1, 2, 3, 4, 5, 6, 7]);
        append(&log, "{\"event\":{\"sequence\":8");
        assert!(read(&mut follower).is_empty());
        append(&log, "}}\nno number\n");
        append(&log, &text(9..=9));
        std::fs::rename(&log, closed(6)).unwrap();
        assert_eq!(read(&mut follower), [8, 9], "the rest of the renamed file");
        append(&log, &text(10..=10));
        assert_eq!(read(&mut follower), [10]);
        // Two rotations between two reads, a gap in the numbers, and a compressed file.
        append(&log, &text(11..=11));
        std::fs::rename(&log, closed(10)).unwrap();
        write_gz(&folder.path().join("security-20261128T000000Z-20.log.gz"), &text(20..=21));
        append(&log, &text(22..=22));
        assert_eq!(read(&mut follower), [11, 20, 21, 22]);
    }

    #[test]
    fn renamed_files_of_one_second_are_read_in_the_order_of_their_lines() {
        for (first, second) in [(".0", ".1"), (".1", ".0")] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("security.log");
            let renamed = |suffix| folder.path().join(format!("security.log{suffix}"));
            append(&renamed(first), &text(1..=3));
            append(&renamed(second), &text(4..=6));
            append(&log, &text(7..=8));
            for after in 0..=8 {
                let expect: Vec<u64> = (after + 1..=8).collect();
                assert_eq!(read(&mut Follower::new(&log, after)), expect, "{first} {after}");
            }
        }
    }

    #[test]
    fn damaged_renamed_file_does_not_stop_the_follower() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        append(&folder.path().join("security.log.2.gz"), "damaged");
        append(&folder.path().join("security.log.1"), &text(4..=6));
        append(&log, &text(7..=8));
        assert_eq!(read(&mut Follower::new(&log, 0)), [4, 5, 6, 7, 8]);
    }

    #[test]
    fn follower_starts_after_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        append(&folder.path().join("security-20261128T000000Z-4.log"), &text(4..=9));
        append(&log, &text(10..=12));
        for (after, expect) in [
            (0, (4..=12).collect::<Vec<u64>>()),
            (5, (6..=12).collect()),
            (9, vec![10, 11, 12]),
            (11, vec![12]),
            (12, vec![]),
            (90, vec![]),
        ] {
            assert_eq!(read(&mut Follower::new(&log, after)), expect, "{after}");
        }
    }
}
