//! Verifies the files of a log, in the order of their lines.
//! Never: a file twice, or none because it is rotated or compressed meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use super::report::VerifyReport;
use super::verifier::{Verifier, VerifyOptions};
use crate::read::line_reader::{LineEnd, LineReader};
use crate::read::log_files::list_by_number;

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
/// `None`: there is no file.
///
/// # Errors
/// [`VerifyError`] for the first file that cannot be read.
pub fn verify_log(log: &Path, options: VerifyOptions) -> Result<Option<VerifyReport>, VerifyError> {
    let fault = |path: &Path, source| VerifyError { path: path.to_owned(), source };
    let files = list_by_number(log).map_err(|source| fault(log, source))?;
    let mut verifier = Verifier::new(options);
    for (number, file) in files.iter().enumerate() {
        let is_last = number + 1 == files.len();
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
    while let Some(line) = lines.next_line()? {
        match line.end {
            // The server may be writing it.
            LineEnd::Missing if is_last => {}
            LineEnd::Missing | LineEnd::TooLong | LineEnd::Complete => {
                verifier.line(line.bytes, line.offset);
            }
        }
    }
    Ok(())
}
