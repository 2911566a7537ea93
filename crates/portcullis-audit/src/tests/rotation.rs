//! Closed files: by size, by day, across restarts.
//! Never: a line that is lost or duplicated between two files.

use std::fs::File;
use std::io::Read;

use portcullis_model::{Code, Now};

use super::{
    Log, all_lines, assert_unbroken, at, count, event_of_user, operation, options, reasons,
};
use crate::Audit;
use crate::files::segment::Naming;

const DAY_MS: u64 = 86_400_000;

// T-370
#[test]
fn rotation_by_size_neither_loses_nor_duplicates_a_line() {
    const SEGMENT: u64 = 16 * 1024;
    let log = Log::open(|options| options.segment_bytes = SEGMENT);
    // As `tail -F` does: reads the rest of the open file, then the new file at its path.
    let path = log.folder.path().join("security.log");
    let (mut tail, mut followed) = (File::open(&path).unwrap(), String::new());
    for number in 0..1_000 {
        log.audit.record(event_of_user(), at(number));
        if number % 10 == 9 {
            log.audit.wait_idle();
            tail.read_to_string(&mut followed).unwrap();
            tail = reopen_if_rotated(&path, tail, &mut followed);
        }
    }
    // At its end, the log also closes a file that is full by then.
    log.audit.close();
    tail.read_to_string(&mut followed).unwrap();
    drop(reopen_if_rotated(&path, tail, &mut followed));
    let segments = Naming::of(&path).list().unwrap();
    assert!(segments.len() > 10, "{}", segments.len());
    assert!(segments.iter().all(|segment| segment.bytes <= SEGMENT + 4 * 1024 + 512));
    let lines = log.lines();
    assert_unbroken(&lines);
    assert_eq!(count(&lines, Code::WsConnected), 1_000);
    assert_eq!(count(&lines, Code::LogRotated), segments.len());
    let followed: Vec<_> = followed.lines().map(super::line).collect();
    assert_eq!(followed, lines[..followed.len()]);
    assert_eq!(followed.len(), lines.len());
}

fn reopen_if_rotated(path: &std::path::Path, tail: File, followed: &mut String) -> File {
    use std::os::unix::fs::MetadataExt;
    let mut new = File::open(path).unwrap();
    if new.metadata().unwrap().ino() == tail.metadata().unwrap().ino() {
        return tail;
    }
    new.read_to_string(followed).unwrap();
    new
}

// T-370
#[test]
fn file_is_closed_at_the_end_of_the_day_without_records() {
    let log = Log::open(|_| ());
    log.audit.record(operation(), at(0));
    log.tick(at(1_000));
    assert_eq!(count(&log.lines(), Code::LogRotated), 0);
    log.tick(at(DAY_MS));
    assert_eq!(reasons(&log.lines(), Code::LogRotated), ["day"]);
    log.tick(at(DAY_MS + 1_000));
    assert_unbroken(&log.lines());
    assert!(log.folder.path().join("security-20260802T120000Z-1.log").exists());
    assert_eq!(log.close().len(), 2);
}

#[test]
fn restart_continues_the_file_of_its_day_and_closes_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    for (start, (files, lines)) in [(0, (1, 1)), (1_000, (1, 2)), (DAY_MS, (2, 4))] {
        let audit = Audit::open(options(folder.path())).unwrap();
        audit.record(operation(), at(start));
        audit.close();
        let names = folder.path().read_dir().unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".log")
        });
        assert_eq!((names.count(), all_lines(folder.path()).len()), (files, lines));
    }
    assert_unbroken(&all_lines(folder.path()));
}

#[test]
fn numbers_continue_after_the_newest_closed_file() {
    let log = Log::open(|_| ());
    for _ in 0..9 {
        log.audit.record(operation(), at(0));
    }
    log.audit.close();
    let folder = log.folder.path();
    let closed = folder.join("security-20260801T120000Z-1.log");
    std::fs::rename(folder.join("security.log"), &closed).unwrap();
    assert!(crate::files::compress::compress(&closed, || true).unwrap());
    for name in ["security-20260801T120000Z-1.log.gz", "security.log.1"] {
        let audit = Audit::open(options(folder)).unwrap();
        audit.record(operation(), at(0));
        audit.close();
        let line = super::lines_of(&folder.join("security.log"));
        assert_eq!(line[0].sequence, if name.ends_with("gz") { 10 } else { 11 });
        std::fs::rename(folder.join("security.log"), folder.join("security.log.1")).unwrap();
    }
}

#[test]
fn failed_rotation_leaves_the_file_in_use() {
    let log = Log::open(|options| options.segment_bytes = 2_048);
    // A file with the new name exists already.
    let now = Now { monotonic_ms: 5, unix_ms: 1_785_585_600_005 };
    let existing = Naming::of(&log.folder.path().join("security.log")).closed(now.unix_ms, 1);
    std::fs::write(&existing, "").unwrap();
    for _ in 0..20 {
        log.audit.record(operation(), now);
        log.audit.wait_idle();
    }
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!(lines.len(), 20);
}
