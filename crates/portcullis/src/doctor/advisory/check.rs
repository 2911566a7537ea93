//! D10: advisories of the operator's directory against the dependencies of this binary.
//! Never: a download; without a directory the check says that it did not run.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use portcullis_admin::{CheckBuilder, FindingSeverity};
use portcullis_audit::parse_utc;

use super::dependencies::dependencies;
use super::osv::Advisory;
use crate::doctor::examination::Examination;

/// Most files that are read.
const FILES_MAX: usize = 50_000;
/// Largest file that is read.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Deepest folder below the directory.
const DEPTH_MAX: usize = 4;
const DAY_MS: i64 = 24 * 60 * 60_000;
/// The newest advisory may be so old.
const AGE_MAX_MS: i64 = 30 * DAY_MS;

/// Checks all advisories of the directory.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let Some(directory) = &examination.settings.storage.advisories else {
        check.skip("doctor.advisories_dir is not set");
        return;
    };
    check_directory(directory, dependencies(), examination.now.unix_ms, check);
}

/// The result of reading the directory.
#[derive(Debug, Default)]
struct Reading {
    read: usize,
    unreadable: usize,
    newest_unix_ms: Option<i64>,
}

fn check_directory(
    directory: &Path,
    dependencies: &[(&str, &str)],
    now_unix_ms: i64,
    check: &mut CheckBuilder,
) {
    let shown = directory.display();
    let mut files = Vec::new();
    if let Err(error) = list(directory, 0, &mut files) {
        let found = format!("doctor.advisories_dir: {shown} cannot be read: {error}");
        check.warn("directory", found, "write the name of a directory that the server can read");
        return;
    }
    let mut reading = Reading::default();
    for file in &files {
        let Ok(advisory) = read(file) else {
            reading.unreadable += 1;
            continue;
        };
        reading.read += 1;
        let modified = parse_utc(&advisory.modified);
        reading.newest_unix_ms = reading.newest_unix_ms.max(modified);
        check_advisory(&advisory, dependencies, check);
    }
    judge(&reading, directory, now_unix_ms, check);
    check.fact(format!("{} advisories, {} dependencies", reading.read, dependencies.len()));
}

fn check_advisory(advisory: &Advisory, dependencies: &[(&str, &str)], check: &mut CheckBuilder) {
    let Some((name, version, fixed)) = advisory.concerns(dependencies) else { return };
    let severity = match advisory.is_severe() {
        true => FindingSeverity::Critical,
        false => FindingSeverity::Warning,
    };
    let summary = advisory.summary.as_deref().unwrap_or("no summary");
    let found = format!("{} concerns {name} {version}: {summary}", advisory.id);
    let remedy = match fixed {
        Some(fixed) => format!("install a version of Portcullis with {name} {fixed} or later"),
        None => format!("read {}: no version of {name} mends it yet", advisory.id),
    };
    check.add(severity, &advisory.id, found, remedy);
}

fn judge(reading: &Reading, directory: &Path, now_unix_ms: i64, check: &mut CheckBuilder) {
    let shown = directory.display();
    let remedy = "export the advisories again: the OSV export of crates.io, one JSON file each";
    if reading.read == 0 {
        let found = format!("{shown} has no advisory that can be read");
        check.warn("empty", found, remedy);
        return;
    }
    if reading.unreadable > 0 {
        let found = format!("{} files of {shown} are not advisories", reading.unreadable);
        check.warn("unreadable", found, remedy);
    }
    let age_ms = reading.newest_unix_ms.map(|newest| now_unix_ms - newest);
    if age_ms.is_none_or(|age_ms| age_ms > AGE_MAX_MS) {
        let days = age_ms.map_or(String::from("?"), |age_ms| (age_ms / DAY_MS).to_string());
        let found = format!("the newest advisory of {shown} is {days} days old");
        check.warn("old", found, remedy);
    }
}

/// Lists the JSON files of a folder and its folders.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < DEPTH_MAX {
            list(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
        if files.len() >= FILES_MAX {
            break;
        }
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Advisory> {
    let mut text = String::new();
    File::open(path)?.take(FILE_MAX_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{AuditFinding, CheckId};
    use serde_json::json;

    use super::*;

    #[test]
    fn t409_d10_advisory_about_a_dependency_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("crates");
        std::fs::create_dir(&inner).unwrap();
        let write = |name: &str, package: &str, modified: &str| {
            let advisory = json!({
                "id": name, "modified": modified, "summary": "A flaw",
                "affected": [{
                    "package": {"ecosystem": "crates.io", "name": package},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
                }],
            });
            std::fs::write(inner.join(format!("{name}.json")), advisory.to_string()).unwrap();
        };
        let keys = |now: &str| -> Vec<String> {
            let mut check = CheckBuilder::new(CheckId::D10);
            let now = parse_utc(now).unwrap();
            check_directory(folder.path(), &[("tokio", "1.0.0")], now, &mut check);
            let key = |finding: AuditFinding| finding.key;
            check.finish().findings.into_iter().map(key).collect()
        };
        assert_eq!(keys("2026-11-29T00:00:00Z"), ["D10 empty"]);
        write("RUSTSEC-1", "other", "2026-11-28T10:00:00Z");
        assert_eq!(keys("2026-11-29T00:00:00Z"), Vec::<String>::new());
        assert_eq!(keys("2026-12-29T00:00:00Z"), ["D10 old"]);
        write("RUSTSEC-2", "tokio", "2026-11-01T10:00:00Z");
        assert_eq!(keys("2026-11-29T00:00:00Z"), ["D10 RUSTSEC-2"]);
        std::fs::write(inner.join("broken.json"), "{").unwrap();
        assert_eq!(keys("2026-11-29T00:00:00Z"), ["D10 RUSTSEC-2", "D10 unreadable"]);
    }
}
