//! All files of a log in the order of their lines: closed ones, renamed ones, the open one.
//! Never: a line twice because a file was rotated or compressed meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::clock_trust::clock_path;
use crate::files::file_id::FileId;
use crate::files::path::{file_name, folder_of, with_suffix};
use crate::files::segment::{Naming, compact_days_before, compact_utc};
use crate::read::line_reader::LineReader;
use crate::read::line_text::line_sequence;

/// Attempts to list the files while they are rotated.
const ATTEMPTS: u32 = 20;

/// One file of the log.
#[derive(Debug)]
pub struct LogFile {
    /// Its path, when the files were listed.
    pub path: PathBuf,
    /// The time of its closing, as in its name; empty for the open file.
    ///
    /// It has the form `20261128T214500Z`.
    ///
    /// For a file that another program renamed: the time of its last change.
    pub closed: String,
    /// The number of its first line; `None` until a line with a number can be read.
    first: Option<u64>,
    compressed: bool,
    /// The open file; it is read also when it is renamed meanwhile.
    open: Option<File>,
}

impl LogFile {
    /// Whether this is the file that the server writes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_empty()
    }

    /// Device and inode of the open file.
    pub(crate) fn open_id(&self) -> io::Result<Option<FileId>> {
        let opened = self.open.as_ref().map(File::metadata).transpose()?;
        Ok(opened.as_ref().map(FileId::of))
    }

    /// Opens the file; `None` when it was removed meanwhile.
    ///
    /// # Errors
    /// The system's error.
    pub fn lines(&self) -> io::Result<Option<LineReader>> {
        if self.is_open() {
            let Some(open) = &self.open else { return Ok(None) };
            return open.try_clone().map(LineReader::plain).map(Some);
        }
        let compressed = with_suffix(&self.path, ".gz");
        for (path, is_compressed) in [(&self.path, self.compressed), (&compressed, true)] {
            match File::open(path) {
                Ok(file) if is_compressed => return Ok(Some(LineReader::compressed(file))),
                Ok(file) => return Ok(Some(LineReader::plain(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Opens the end of the open file, of so many bytes at most; another file from its start. The
    /// first line can be incomplete.
    pub(crate) fn last_lines(&self, bytes: u64) -> io::Result<Option<LineReader>> {
        match &self.open {
            Some(open) => LineReader::plain_end(open.try_clone()?, bytes).map(Some),
            None => self.lines(),
        }
    }

    /// The number of its first line: from its name, or read.
    ///
    /// # Errors
    /// The system's error.
    pub fn first(&self) -> io::Result<Option<u64>> {
        if self.first.is_some() {
            return Ok(self.first);
        }
        let Some(mut lines) = self.lines()? else { return Ok(None) };
        while let Some(line) = lines.next_complete()? {
            if let Some(sequence) = line_sequence(line.bytes) {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }
}

/// All files of a log in the order of their first numbers. `log` is the path of the open file,
/// which can be missing.
///
/// Names and times of files that `logrotate` renamed (`security.log.1`, `security.log-20261128.gz`)
/// do not say which of them is older, so their first lines are read. A file without a number that
/// can be read follows the files that are older by the time of their last change.
///
/// # Errors
/// The system's error when the folder cannot be read.
pub fn list_log_files(log: &Path) -> io::Result<Vec<LogFile>> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        // The open file first: if it is closed before the folder is read, it would be missing.
        let open = match File::open(log) {
            // A pipe or device has no lines that could be read again.
            Ok(file) => file.metadata()?.is_file().then_some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut files = closed_files(log)?;
        files.extend(renamed_files(log)?);
        remove_compressed_copies(&mut files);
        if attempt < ATTEMPTS && is_stale(log, open.as_ref())? {
            continue;
        }
        files.sort_by(|one, other| (&one.closed, &one.path).cmp(&(&other.closed, &other.path)));
        files.extend(open.map(|open| LogFile {
            path: log.to_path_buf(),
            closed: String::new(),
            first: None,
            compressed: false,
            open: Some(open),
        }));
        return Ok(sort_by_number(files));
    }
}

/// Removes the compressed file of two, which are both there while a file is compressed.
fn remove_compressed_copies(files: &mut Vec<LogFile>) {
    let plain = files.iter().filter(|file| !file.compressed);
    let plain: Vec<PathBuf> = plain.map(|file| file.path.clone()).collect();
    files.retain(|file| !file.compressed || !plain.contains(&file.path.with_extension("")));
}

/// Sorts files, which are in the order of their times, by their first numbers.
fn sort_by_number(files: Vec<LogFile>) -> Vec<LogFile> {
    let mut highest = 0;
    let mut sorted = Vec::with_capacity(files.len());
    for mut file in files {
        // A file that cannot be read hides no other one: its reader gets the error.
        file.first = file.first().ok().flatten();
        highest = file.first.unwrap_or(highest).max(highest);
        sorted.push((file.first.unwrap_or(highest), file));
    }
    sorted.sort_by_key(|(number, _)| *number);
    sorted.into_iter().map(|(_, file)| file).collect()
}

/// Whether the path names another file than the opened one.
fn is_stale(log: &Path, open: Option<&File>) -> io::Result<bool> {
    let now = std::fs::metadata(log).ok().filter(std::fs::Metadata::is_file);
    let opened = open.map(File::metadata).transpose()?;
    Ok(now.as_ref().map(FileId::of) != opened.as_ref().map(FileId::of))
}

fn closed_files(log: &Path) -> io::Result<Vec<LogFile>> {
    let files = Naming::of(log).list()?.into_iter().map(|segment| LogFile {
        path: segment.path,
        closed: segment.closed,
        first: Some(segment.first),
        compressed: segment.compressed,
        open: None,
    });
    Ok(files.collect())
}

/// The number of files that another program renamed and that are older than so many days, by the
/// time of their last change.
///
/// # Errors
/// The system's error when the folder cannot be read.
pub fn count_old_renamed_files(log: &Path, now_unix_ms: i64, days: u32) -> io::Result<usize> {
    let limit = compact_days_before(now_unix_ms, days);
    Ok(renamed_files(log)?.iter().filter(|file| file.closed < limit).count())
}

/// Files that another program renamed.
pub(crate) fn renamed_files(log: &Path) -> io::Result<Vec<LogFile>> {
    let name = file_name(log);
    let mut files = Vec::new();
    for entry in folder_of(log).read_dir()? {
        let entry = entry?;
        let other = entry.file_name();
        let Some(compressed) = other.to_str().and_then(|other| renamed(&name, other)) else {
            continue;
        };
        // Another program may have removed it meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() || metadata.size() == 0 {
            continue;
        }
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed_ms = i64::try_from(changed.as_millis()).unwrap_or(i64::MAX);
        files.push(LogFile {
            path: entry.path(),
            closed: compact_utc(changed_ms),
            first: None,
            compressed,
            open: None,
        });
    }
    Ok(files)
}

/// Whether a file that another program renamed is compressed; `None` if the name is another one.
fn renamed(log: &str, name: &str) -> Option<bool> {
    let suffix = name.strip_prefix(log)?;
    let (plain, compressed) = match suffix.strip_suffix(".gz") {
        Some(plain) => (plain, true),
        None => (suffix, false),
    };
    let digits = plain.strip_prefix(['.', '-']).unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    (!digits.is_empty() && is_number).then_some(compressed)
}

/// Whether a file beside the log with the name `log` belongs to it: the open file, its clock, and
/// closed and renamed files.
#[must_use]
pub fn is_log_name(log: &str, name: &str) -> bool {
    let path = Path::new(log);
    let is_clock = file_name(&clock_path(path)) == name;
    let is_closed = Naming::of(path).parse(name).is_some();
    name == log || is_clock || is_closed || renamed(log, name).is_some()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    pub(crate) fn write_gz(path: &Path, text: &str) {
        let mut file = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
    }

    fn content(log: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for file in list_log_files(log).unwrap() {
            let Some(mut lines) = file.lines().unwrap() else { continue };
            while let Some(line) = lines.next_line().unwrap() {
                found.push(String::from_utf8_lossy(line.bytes).into_owned());
            }
        }
        found
    }

    #[test]
    fn files_are_listed_in_the_order_of_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("security.log", "five\n");
        write("security-20261128T000000Z-9.log", "three\n");
        write_gz(&folder.path().join("security-20261127T000000Z-4.log.gz"), "two\n");
        write_gz(&folder.path().join("security-20261126T000000Z-1.log.gz"), "one\n");
        write("security.log.1", "four\n");
        // None of these is a file of the log.
        write("security.log.reserve", "\0\0");
        write("security-20261126T000000Z-1.log.gz.part", "part");
        write("security.log.bak", "copy");
        write("security-old.log", "old");
        let now = content(&log);
        // The renamed file counts by its time, which is that of this test.
        let position = now.iter().position(|line| line == "four").unwrap();
        let others: Vec<_> = now.iter().filter(|line| *line != "four").collect();
        assert_eq!(others, ["one", "two", "three", "five"]);
        assert!(position < 4, "{now:?}");
        let firsts: Vec<_> =
            list_log_files(&log).unwrap().iter().map(|file| file.first().unwrap()).collect();
        assert!(firsts.contains(&Some(9)) && firsts.contains(&None));
    }

    #[test]
    fn renamed_files_of_one_time_are_listed_in_the_order_of_their_lines() {
        let line = |number: u64| format!("{{\"event\":{{\"sequence\":{number}}}}}");
        let changed = UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
        // The last suffixes are those of `logrotate` without and with `dateext`.
        for suffixes in [[".0", ".1"], [".1", ".0"], [".2.gz", ".1"], ["-20261127", "-20261128"]] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("security.log");
            let text = |number| line(number) + "\n";
            for (number, suffix) in [4, 6].into_iter().zip(suffixes) {
                let path = with_suffix(&log, suffix);
                match suffix.ends_with(".gz") {
                    true => write_gz(&path, &text(number)),
                    false => std::fs::write(&path, text(number)).unwrap(),
                }
                File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
            }
            // `logrotate` compresses it, and has not removed the former file yet.
            write_gz(&with_suffix(&log, &format!("{}.gz", suffixes[1])), &text(6));
            std::fs::write(folder.path().join("security-20261128T000000Z-5.log"), text(5)).unwrap();
            std::fs::write(with_suffix(&log, ".9.gz"), "damaged").unwrap();
            for open in [String::new(), line(7), text(7)] {
                std::fs::write(&log, open).unwrap();
                let files = list_log_files(&log).unwrap();
                assert!(files.last().unwrap().is_open());
                let firsts = files.iter().filter_map(|file| file.first);
                let firsts: Vec<_> = firsts.filter(|first| *first < 7).collect();
                assert_eq!(firsts, [4, 5, 6], "{suffixes:?}");
                assert_eq!(files.len(), 5, "the damaged one is listed, too");
            }
        }
    }

    #[test]
    fn files_that_are_compressed_renamed_or_removed_meanwhile_are_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let closed =
            |number| folder.path().join(format!("security-20261128T00000{number}Z-{number}.log"));
        std::fs::write(closed(1), "one\n").unwrap();
        std::fs::write(closed(2), "two\n").unwrap();
        std::fs::write(&log, "three\n").unwrap();
        let files = list_log_files(&log).unwrap();
        write_gz(&with_suffix(&closed(1), ".gz"), "one\n");
        std::fs::remove_file(closed(1)).unwrap();
        std::fs::remove_file(closed(2)).unwrap();
        std::fs::rename(&log, closed(3)).unwrap();
        std::fs::write(&log, "four\n").unwrap();
        let mut read = Vec::new();
        for file in files {
            let Some(mut lines) = file.lines().unwrap() else { continue };
            while let Some(line) = lines.next_line().unwrap() {
                read.push(String::from_utf8_lossy(line.bytes).into_owned());
            }
        }
        assert_eq!(read, ["one", "three"], "two was removed; four is newer than the list");
        assert_eq!(content(&log), ["one", "three", "four"]);
    }

    #[test]
    fn log_without_files_is_empty_and_without_folder_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(content(&folder.path().join("security.log")).is_empty());
        assert!(list_log_files(Path::new("/nonexistent/security.log")).is_err());
    }
}
