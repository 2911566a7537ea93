//! Finds records in the files of the security log, including compressed files.
//! Never: needs a running server, or holds more than one line in memory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use portcullis_model::Reference;

use crate::files::path::folder_of;
use crate::read::line_reader::LineReader;

/// Finds the first line with a reference code, starting with the newest file.
///
/// `file` is the current file of the log. Older files are in the same folder. Their names start
/// with the name of the log, or with its stem and a hyphen: `security.log.1`, `security-….log.gz`.
///
/// # Errors
/// The system's error for the first file that cannot be read. Files that another program removes
/// meanwhile are skipped.
pub fn find_reference(file: &Path, reference: &Reference) -> io::Result<Option<String>> {
    let wanted = format!("\"trace\":{{\"id\":\"{reference}\"}}");
    for path in files(file)? {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let compressed = path.extension() == Some(OsStr::new("gz"));
        let lines = if compressed { LineReader::compressed(file) } else { LineReader::plain(file) };
        let found = find(lines, wanted.as_bytes())?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// All files of the log, the most recently changed first.
fn files(file: &Path) -> io::Result<Vec<PathBuf>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = format!("{}-", file.file_stem().unwrap_or_default().to_string_lossy());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder_of(file))? {
        let entry = entry?;
        let other = entry.file_name();
        let other = other.to_string_lossy();
        let is_log =
            other.starts_with(&*name) || (other.starts_with(&stem) && other.contains(".log"));
        if is_log && entry.file_type()?.is_file() {
            let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            found.push((changed, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

fn find(mut lines: LineReader, wanted: &[u8]) -> io::Result<Option<String>> {
    let wanted = Finder::new(wanted);
    while let Some(line) = lines.next_line()? {
        if wanted.find(line.bytes).is_some() {
            return Ok(Some(String::from_utf8_lossy(line.bytes).trim_end().to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn line(reference: &str) -> String {
        format!("{{\"event\":{{\"code\":\"x\"}},\"trace\":{{\"id\":\"{reference}\"}},\"n\":1}}\n")
    }

    #[test]
    fn reference_is_found_in_current_renamed_and_compressed_files() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("security.log");
        std::fs::write(&log, line("aaaaaaaaaaaa") + &line("bbbbbbbbbbbb")).unwrap();
        std::fs::write(directory.path().join("security.log.1"), line("cccccccccccc")).unwrap();
        let old = File::create(directory.path().join("security-2026-1.log.gz")).unwrap();
        let mut old = GzEncoder::new(old, Compression::fast());
        old.write_all(line("dddddddddddd").as_bytes()).unwrap();
        old.finish().unwrap();
        std::fs::write(directory.path().join("other.log"), line("eeeeeeeeeeee")).unwrap();
        for letter in ["a", "b", "c", "d", "e", "f"] {
            let wanted = letter.repeat(12);
            let found = find_reference(&log, &Reference::parse(&wanted).unwrap()).unwrap();
            let expected = "abcd".contains(letter).then(|| line(&wanted).trim_end().to_owned());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn unreadable_directory_is_an_error() {
        let missing = Path::new("/nonexistent/security.log");
        assert!(find_reference(missing, &Reference::parse("abc").unwrap()).is_err());
    }
}
