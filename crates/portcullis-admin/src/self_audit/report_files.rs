//! The last 30 reports: one file a day in a directory of the data directory.
//! Never: more than 30 files, or half a report.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::report::{AuditReport, REPORT_MAX_BYTES};
use crate::spool::file;

/// Most reports.
const REPORTS_MAX: usize = 30;

/// The directory of reports.
#[derive(Debug, Clone)]
pub struct ReportFiles {
    folder: PathBuf,
}

impl ReportFiles {
    /// The reports in this directory, which does not need to exist.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All reports, the newest first; files that are not reports are left out.
    #[must_use]
    pub fn read(&self) -> Vec<AuditReport> {
        self.names().iter().rev().filter_map(|path| read(path).ok()).collect()
    }

    /// The same, and a line in the operational log for each file that is left out.
    pub(crate) fn read_noting_others(&self) -> Vec<AuditReport> {
        let names = self.names();
        let report = |path: &PathBuf| {
            let read = read(path);
            if let Err(error) = &read {
                let path = path.display();
                let why = "a report of the regular audit is left out: it is of a later version, or \
                           damaged";
                tracing::warn!(%error, %path, "{why}");
            }
            read.ok()
        };
        names.iter().rev().filter_map(report).collect()
    }

    /// Stores a report. It replaces an earlier one of its day.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn write(&self, report: &AuditReport) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let day = report.at.get(..10).unwrap_or("unknown");
        file::replace(&self.folder.join(format!("{day}.json")), &report.to_bytes()?)?;
        let names = self.names();
        for old in names.iter().take(names.len().saturating_sub(REPORTS_MAX)) {
            std::fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The files, the oldest first.
    fn names(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_report = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_report).collect();
        names.sort();
        names
    }
}

fn read(path: &Path) -> io::Result<AuditReport> {
    let mut bytes = Vec::new();
    let longest = u64::try_from(REPORT_MAX_BYTES).unwrap_or(u64::MAX);
    File::open(path)?.take(longest).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60_000;

    #[test]
    fn newest_30_days_are_kept_with_one_report_each() {
        let folder = tempfile::tempdir().unwrap();
        let files = ReportFiles::new(folder.path().join("audit-reports"));
        assert!(files.read().is_empty());
        for day in 0..40 {
            files.write(&report(day * DAY_MS, &[])).unwrap();
        }
        let last = report(39 * DAY_MS + 5, &[]);
        files.write(&last).unwrap();
        let read = files.read();
        assert_eq!((read.len(), &read[0]), (REPORTS_MAX, &last));
        assert_eq!(read[29].unix_ms, 10 * DAY_MS);
        std::fs::write(folder.path().join("audit-reports/9.json"), "{").unwrap();
        assert_eq!(files.read().len(), REPORTS_MAX, "a broken file is left out");
        assert_eq!(files.read_noting_others(), files.read());
    }
}
