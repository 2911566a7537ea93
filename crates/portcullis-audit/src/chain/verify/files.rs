//! Verifies the files of a log, in the order of their lines.
//! Never: a file twice, or none because it is rotated or compressed meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use super::report::VerifyReport;
use super::verifier::{Verifier, VerifyOptions};
use crate::read::line_reader::{LineEnd, LineReader, is_damage};
use crate::read::log_files::{LogFile, list_log_files};

/// A file that cannot be read, and the error of the system.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct VerifyError {
    /// The file.
    pub path: PathBuf,
    /// The error of the system.
    pub source: io::Error,
}

/// Verifies all files of a log: closed, renamed, and the open one. The server can be running.
///
/// `None` if the log has no file.
///
/// # Errors
/// [`VerifyError`] for the first file that cannot be read.
pub fn verify_log(log: &Path, options: VerifyOptions) -> Result<Option<VerifyReport>, VerifyError> {
    verify_log_since(log, options, 0)
}

/// Like [`verify_log`], from the file that contains the line of this number on.
///
/// Earlier files were verified before. The report then has the gap
/// [`ProofGap::FileMissing`](super::ProofGap::FileMissing) from line 1 on.
///
/// # Errors
/// As [`verify_log`].
pub fn verify_log_since(
    log: &Path,
    options: VerifyOptions,
    sequence: u64,
) -> Result<Option<VerifyReport>, VerifyError> {
    let fault = |path: &Path, source| VerifyError { path: path.to_owned(), source };
    let files = list_log_files(log).map_err(|source| fault(log, source))?;
    let starts_later =
        |file: &LogFile| !matches!(file.first(), Ok(Some(first)) if first <= sequence);
    let earlier = files.iter().rposition(|file| !starts_later(file)).unwrap_or(0);
    let mut verifier = Verifier::new(options);
    for (number, file) in files.iter().enumerate().skip(earlier) {
        // The server may still write a renamed file, beside the empty one of `logrotate`.
        let is_empty = |later: &LogFile| matches!(later.first(), Ok(None));
        let is_last = files.iter().skip(number + 1).all(is_empty);
        let read = file.lines().and_then(|lines| match lines {
            Some(lines) => verify_file(&mut verifier, &file.path, lines, is_last),
            // Retention removed it meanwhile, which is recorded.
            None => Ok(()),
        });
        read.map_err(|source| fault(&file.path, source))?;
    }
    Ok((!files.is_empty()).then(|| verifier.finish()))
}

/// Verifies the given files, oldest first.
///
/// # Errors
/// [`VerifyError`] for the first file that cannot be read.
pub fn verify_files(
    files: &[PathBuf],
    options: VerifyOptions,
) -> Result<VerifyReport, VerifyError> {
    let mut verifier = Verifier::new(options);
    for (number, path) in files.iter().enumerate() {
        let is_last = number + 1 == files.len();
        LineReader::open(path)
            .and_then(|lines| verify_file(&mut verifier, path, lines, is_last))
            .map_err(|source| VerifyError { path: path.clone(), source })?;
    }
    Ok(verifier.finish())
}

fn verify_file(
    verifier: &mut Verifier,
    path: &Path,
    mut lines: LineReader,
    is_last: bool,
) -> io::Result<()> {
    verifier.begin_file(path);
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            // The other files are verified all the same.
            Err(error) if is_damage(&error) => {
                verifier.damaged(&error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match line.end {
            // The server may be writing it.
            LineEnd::Missing if is_last => {}
            LineEnd::Missing | LineEnd::TooLong | LineEnd::Complete => {
                verifier.line(line.bytes, line.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{ProofGap, Verdict};
    use super::super::tests::Log;
    use super::*;
    use crate::files::compress::compress;

    // T-361
    #[test]
    fn t361_flipped_bit_of_a_compressed_file_is_found() {
        let log = Log::new("chat.example/portcullis/1").write(30).rotate().write(30);
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("security-20260712T120000Z-1.log");
        let open = folder.path().join("security.log");
        std::fs::write(&plain, log.files[0].join("\n") + "\n").unwrap();
        std::fs::write(&open, log.files[1].join("\n") + "\n").unwrap();
        assert!(compress(&plain, || true).unwrap());
        let path = crate::files::path::with_suffix(&plain, ".gz");
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(verify_log(&open, log.options()).unwrap().unwrap().verdict(), Verdict::Sound);
        // The header has a time and a system, which belong to gzip and not to the log.
        for at in (10..bytes.len()).step_by(bytes.len() / 100) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, bytes).unwrap();
            let report = verify_log(&open, log.options()).unwrap().unwrap();
            // A bit of the padding at the end of the stream belongs to no byte of the log.
            if is_same(&path, &log.files[0]) {
                assert_eq!(report.verdict(), Verdict::Sound, "byte {at}");
                continue;
            }
            assert_eq!(report.verdict(), Verdict::Tampered, "byte {at}");
            let place = |finding: &super::super::Finding| finding.place.clone().unwrap().0;
            // Bytes behind the flipped one can be decompressed to any number of wrong lines.
            let is_named = report.findings().iter().any(|finding| place(finding) == path);
            assert!(is_named, "byte {at}: {:?}", report.findings());
            assert!(report.lines >= log.files[1].len() as u64, "byte {at}");
        }
    }

    #[test]
    fn verification_can_begin_at_a_line_that_was_verified_before() {
        let log = Log::new("chat.example/portcullis/1").write(30).rotate().write(30);
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("security.log");
        let closed = folder.path().join("security-20260712T120000Z-1.log");
        let text = |number: usize| log.files[number].join("\n") + "\n";
        std::fs::write(&closed, text(0).replacen("2026", "2027", 1)).unwrap();
        std::fs::write(&open, text(1)).unwrap();
        let (first, read) = (log.files[0].len() as u64, log.files[1].len() as u64);
        let report = |since| verify_log_since(&open, log.options(), since).unwrap().unwrap();
        let later = report(first + 2);
        assert_eq!((later.findings_count(), later.lines), (0, read), "{:?}", later.findings());
        let ProofGap::FileMissing(lines, None) = &later.undecided[0] else { panic!("{later:?}") };
        assert_eq!((*lines.start(), *lines.end()), (1, first));
        for since in [0, 1, first] {
            assert_eq!(report(since).verdict(), Verdict::Tampered, "{since}");
        }
    }

    #[test]
    fn line_that_is_being_written_to_a_renamed_file_is_not_a_finding() {
        let log = Log::new("chat.example/portcullis/1").write(30);
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("security.log");
        let text = log.files[0].join("\n") + "\n{\"@timestamp\":";
        std::fs::write(folder.path().join("security.log.1"), text).unwrap();
        // Before SIGHUP, the new file of `logrotate` has no line.
        std::fs::write(&open, "").unwrap();
        let report = verify_log(&open, log.options()).unwrap().unwrap();
        assert_eq!(report.verdict(), Verdict::Sound, "{:?}", report.findings());
    }

    /// Whether a file can be read and has these lines.
    fn is_same(path: &Path, lines: &[String]) -> bool {
        let mut read = Vec::new();
        let mut reader = LineReader::open(path).unwrap();
        loop {
            match reader.next_line() {
                Ok(Some(line)) => read.push(line.bytes.to_vec()),
                Ok(None) => return read.iter().eq(lines.iter().map(String::as_bytes)),
                Err(_) => return false,
            }
        }
    }
}
