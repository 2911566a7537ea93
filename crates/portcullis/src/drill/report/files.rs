//! Writes the report into a directory: `drill-report.json` and `drill-report.html`.
//! Never: a file that other users of the machine can read.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::html;
use super::result::DrillReport;

/// Creates the directory of a report, before the drill starts.
pub(crate) fn prepare(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let created = DirBuilder::new().mode(0o700).create(directory);
    created.with_context(|| format!("cannot create the directory {}", directory.display()))
}

/// Writes both files; returns the path of the page.
pub(crate) fn write(report: &DrillReport, directory: &Path) -> Result<PathBuf> {
    let json = serde_json::to_string_pretty(report)? + "\n";
    write_file(&directory.join("drill-report.json"), &json)?;
    let page = directory.join("drill-report.html");
    write_file(&page, &html::page(report))?;
    Ok(page)
}

/// Replaces a file as a whole: a reader sees the old one or the new one.
fn write_file(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let write = || {
        let _left_from_before = std::fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::result::tests::report;
    use super::*;

    #[test]
    fn files_are_private_and_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("report");
        prepare(&directory).unwrap();
        prepare(&directory).unwrap();
        for _ in 0..2 {
            assert_eq!(write(&report(), &directory).unwrap(), directory.join("drill-report.html"));
        }
        for name in ["drill-report.json", "drill-report.html"] {
            let facts = std::fs::metadata(directory.join(name)).unwrap();
            assert_eq!(facts.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
        let json = std::fs::read(directory.join("drill-report.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["cases"][1]["result"], "failed");
        assert_eq!(json["counts"]["skipped"], 2);
    }
}
