//! Verifies the files of a log, in their order.
//! Never: a file that another program removes meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use super::report::VerifyReport;
use super::verifier::{Verifier, VerifyOptions};
use crate::files::lines::each_line;
use crate::read::log_files::list_by_number;

/// The files of a log, oldest first: closed, renamed, and the open one.
///
/// # Errors
/// What the system says about the folder.
pub fn log_files(log: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(list_by_number(log)?.into_iter().map(|file| file.path).collect())
}

/// Verifies files, oldest first. While the server runs, the last line may be incomplete: it is
/// left out.
///
/// # Errors
/// The first file that cannot be read, and what the system says.
pub fn verify_files(
    files: &[PathBuf],
    options: VerifyOptions,
) -> Result<VerifyReport, (PathBuf, io::Error)> {
    let mut verifier = Verifier::new(options);
    for (number, path) in files.iter().enumerate() {
        let is_last = number + 1 == files.len();
        verifier.begin_file(path);
        let read = each_line(path, |line, offset| {
            match line.strip_suffix(b"\n") {
                Some(line) => verifier.line(line, offset),
                None if is_last => {}
                None => verifier.line(line, offset),
            }
            Ok(())
        });
        read.map_err(|error| (path.clone(), error))?;
    }
    Ok(verifier.finish())
}
