//! D10: advisories of the operator's directory against the dependencies of this binary.
//! Never: a download; without a directory the check says that it did not run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::fs::{DirEntry, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_admin::{CheckBuilder, FindingSeverity};
use portcullis_audit::parse_utc;
use rustix::fs::OFlags;

use super::dependencies::dependencies;
use super::osv::{Advisory, Concern};
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
    let Some(directory) = &examination.settings.storage.doctor.advisories else {
        check.skip("doctor.advisories_dir is not set");
        return;
    };
    let now_unix_ms = examination.now.unix_ms;
    check_directory(directory, dependencies(), FILES_MAX, now_unix_ms, check);
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
    files_max: usize,
    now_unix_ms: i64,
    check: &mut CheckBuilder,
) {
    let shown = directory.display();
    let mut listing = Listing::new(files_max);
    if let Err(error) = listing.add(directory, 0) {
        let found = format!("doctor.advisories_dir: {shown} cannot be read: {error}");
        check.warn("directory", found, "write the name of a directory that the server can read");
        return;
    }
    let Listing { mut files, unreadable, has_more, .. } = listing;
    if unreadable > 0 {
        check.skip(format!("entries that cannot be read: {unreadable}, in {shown}"));
    }
    if has_more || files.len() > files_max {
        files.truncate(files_max);
        check.skip(format!(
            "{shown} has more than {files_max} files or folders: only the last ones by name \
             were read"
        ));
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
    let (name, version, fixed) = match advisory.concerns(dependencies) {
        Concern::None => return,
        Concern::Affected { name, version, fixed } => (name, version, fixed),
        Concern::Unreadable { name } => {
            let why = "the versions that it affects cannot be read; read it yourself";
            check.skip(format!("{} concerns {name}: {why}", advisory.id));
            return;
        }
    };
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

/// The JSON files of a directory, the last ones by name first.
struct Listing {
    files_max: usize,
    /// At most one more than `files_max`.
    files: Vec<PathBuf>,
    /// Entries and inner folders that the system does not show.
    unreadable: usize,
    /// Whether a folder has names that were not kept.
    has_more: bool,
}

impl Listing {
    fn new(files_max: usize) -> Self {
        Self { files_max, files: Vec::new(), unreadable: 0, has_more: false }
    }

    /// Adds the files of a folder and its folders. Of each folder, it keeps as many names as files
    /// at most, however many entries the folder has.
    fn add(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let mut last = BinaryHeap::new();
        for entry in std::fs::read_dir(folder)? {
            match entry.and_then(|entry| name(&entry, depth)) {
                Ok(Some(entry)) => last.push(Reverse(entry)),
                Ok(None) => {}
                Err(_) => self.unreadable += 1,
            }
            if last.len() > self.files_max + 1 {
                last.pop();
                self.has_more = true;
            }
        }
        for Reverse((name, kind)) in last.into_sorted_vec() {
            if self.files.len() > self.files_max {
                break;
            }
            let path = folder.join(name);
            match kind {
                EntryKind::File => self.files.push(path),
                EntryKind::Folder if self.add(&path, depth + 1).is_err() => self.unreadable += 1,
                EntryKind::Folder => {}
            }
        }
        Ok(())
    }
}

/// The kind of an entry of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EntryKind {
    File,
    Folder,
}

/// The name of an entry that can be an advisory, or a folder of advisories.
fn name(entry: &DirEntry, depth: usize) -> io::Result<Option<(OsString, EntryKind)>> {
    let name = entry.file_name();
    // Links to folders are not followed: they can lead in a circle.
    if entry.file_type()?.is_dir() {
        return Ok((depth < DEPTH_MAX).then_some((name, EntryKind::Folder)));
    }
    let is_json = Path::new(&name).extension().is_some_and(|ending| ending == "json");
    Ok(is_json.then_some((name, EntryKind::File)))
}

/// Reads a regular file. Others, such as a pipe without a writer, could block this thread.
fn read(path: &Path) -> io::Result<Advisory> {
    let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_a_file());
    }
    // It may have been replaced since.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(not_a_file());
    }
    let mut text = String::new();
    file.take(FILE_MAX_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{AuditFinding, CheckId};
    use rustix::fs::{CWD, FileType, Mode, mkdirat, mknodat};
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
            check_directory(folder.path(), &[("tokio", "1.0.0")], 9, now, &mut check);
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

    #[test]
    fn file_that_is_not_regular_is_reported_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mknodat(CWD, path("pipe.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket.json")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device.json")).unwrap();
        std::os::unix::fs::symlink(folder.path(), path("circle.json")).unwrap();
        std::fs::create_dir(path("folder.json")).unwrap();
        std::fs::write(path("one.json"), r#"{"id":"A","modified":"2026-11-28T10:00:00Z"}"#)
            .unwrap();
        let mut check = CheckBuilder::new(CheckId::D10);
        let now = parse_utc("2026-11-29T00:00:00Z").unwrap();
        check_directory(folder.path(), &[], 9, now, &mut check);
        let check = check.finish();
        let found: Vec<_> = check.findings.iter().map(|one| (&*one.key, &*one.found)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "D10 unreadable");
        assert!(found[0].1.starts_with("4 files"), "{found:?}");
    }

    #[test]
    fn directory_with_too_many_files_is_partly_checked() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..4 {
            let advisory = json!({
                "id": format!("A-{number}"), "modified": "2026-11-28T10:00:00Z",
                "affected": [{
                    "package": {"ecosystem": "crates.io", "name": "tokio"},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
                }],
            });
            let path = folder.path().join(format!("{number}.json"));
            std::fs::write(path, advisory.to_string()).unwrap();
        }
        for (files_max, expect) in [(3, "has more than 3 files"), (4, "")] {
            let mut check = CheckBuilder::new(CheckId::D10);
            let now = parse_utc("2026-11-29T00:00:00Z").unwrap();
            check_directory(folder.path(), &[("tokio", "1.0.0")], files_max, now, &mut check);
            let check = check.finish();
            let why = check.not_checked.first().map(String::as_str).unwrap_or_default();
            assert!(why.contains(expect) && why.is_empty() == expect.is_empty(), "{check:?}");
            assert_eq!(check.facts, [format!("{files_max} advisories, 1 dependencies")]);
            let keys: Vec<_> = check.findings.iter().map(|finding| finding.key.as_str()).collect();
            let all = ["D10 A-0", "D10 A-1", "D10 A-2", "D10 A-3"];
            assert_eq!(keys, all[all.len() - files_max..], "the last ones by name");
        }
    }

    #[test]
    fn listing_keeps_one_name_more_than_the_files_that_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("5.folder");
        std::fs::create_dir(&inner).unwrap();
        for name in ["1.json", "4.json", "5.folder/2.json", "5.folder/3.json", "9.txt", "8.json"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let all = ["8.json", "5.folder/3.json", "5.folder/2.json", "4.json", "1.json"];
        for files_max in 0..7 {
            let mut listing = Listing::new(files_max);
            listing.add(folder.path(), 0).unwrap();
            let expect = all.iter().take(files_max + 1).map(|name| folder.path().join(name));
            assert_eq!(listing.files, expect.collect::<Vec<_>>(), "{files_max}");
            // The folder has three files and a folder.
            assert_eq!(listing.has_more, files_max < 3, "{files_max}");
        }
    }

    #[test]
    fn inner_folder_that_cannot_be_read_does_not_hide_the_others() {
        let folder = tempfile::tempdir().unwrap();
        // A path has at most 4,095 bytes, so no folder below this one can be opened by its path.
        let mut base = folder.path().to_path_buf();
        while base.as_os_str().len() + 2 <= 4_000 {
            base.push("d".repeat(255.min(3_999 - base.as_os_str().len())));
        }
        std::fs::create_dir_all(&base).unwrap();
        let opened = std::fs::File::open(&base).unwrap();
        mkdirat(&opened, "e".repeat(255), Mode::RWXU).unwrap();
        let advisory = r#"{"id":"A","modified":"2026-11-28T10:00:00Z"}"#;
        std::fs::write(base.join("one.json"), advisory).unwrap();
        let mut listing = Listing::new(9);
        listing.add(&base, 0).unwrap();
        assert_eq!((listing.files, listing.unreadable), (vec![base.join("one.json")], 1));
        let mut check = CheckBuilder::new(CheckId::D10);
        let now = parse_utc("2026-11-29T00:00:00Z").unwrap();
        check_directory(&base, &[], 9, now, &mut check);
        let check = check.finish();
        assert!(check.findings.is_empty(), "{check:?}");
        assert!(
            check.not_checked[0].starts_with("entries that cannot be read: 1, in "),
            "{check:?}"
        );
    }

    #[test]
    fn advisory_about_unreadable_versions_is_partly_checked() {
        let folder = tempfile::tempdir().unwrap();
        let advisory = json!({
            "id": "RUSTSEC-9", "modified": "2026-11-28T10:00:00Z",
            "affected": [{
                "package": {"ecosystem": "crates.io", "name": "tokio"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "first"}]}],
            }],
        });
        std::fs::write(folder.path().join("one.json"), advisory.to_string()).unwrap();
        let mut check = CheckBuilder::new(CheckId::D10);
        let now = parse_utc("2026-11-29T00:00:00Z").unwrap();
        check_directory(folder.path(), &[("tokio", "1.0.0")], 9, now, &mut check);
        let check = check.finish();
        assert!(check.findings.is_empty());
        assert!(check.not_checked[0].starts_with("RUSTSEC-9 concerns tokio"), "{check:?}");
    }
}
