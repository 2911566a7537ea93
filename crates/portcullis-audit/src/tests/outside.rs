//! Files that another program renames, deletes, replaces or truncates.
//! Never: an alert for the rotation by `logrotate`.

use std::fs::OpenOptions;
use std::path::PathBuf;

use portcullis_model::Code;

use super::{Line, Log, assert_unbroken, at, count, lines_of, operation, options, reasons};
use crate::options::{AuditError, AuditOptions};
use crate::{Audit, LogState};

fn path(log: &Log) -> PathBuf {
    log.folder.path().join("security.log")
}

fn rename(log: &Log) {
    std::fs::rename(path(log), log.folder.path().join("security.log.1")).unwrap();
}

/// Writes one record; a check follows a second later.
fn write(log: &Log, ms: u64) {
    log.audit.record(operation(), at(ms));
    log.tick(at(ms + 1_000));
}

fn alerts(lines: &[Line]) -> Vec<&str> {
    reasons(lines, Code::LogReplaced)
}

// T-371
#[test]
fn t371_rename_with_sighup_is_a_rotation() {
    let log = Log::open(|_| ());
    write(&log, 0);
    rename(&log);
    log.audit.reopen(at(2_000));
    write(&log, 3_000);
    assert_eq!(lines_of(&path(&log)).len(), 2, "the new file has both lines");
    write(&log, 120_000);
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!((alerts(&lines).len(), reasons(&lines, Code::LogRotated)), (0, vec!["operator"]));
}

// T-371
#[test]
fn t371_sighup_within_a_minute_of_the_rename_is_a_rotation() {
    let log = Log::open(|_| ());
    write(&log, 0);
    rename(&log);
    // The rename is detected at once, even without SIGHUP.
    write(&log, 2_000);
    assert!(path(&log).exists());
    log.tick(at(50_000));
    log.audit.reopen(at(60_000));
    log.tick(at(200_000));
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!((alerts(&lines).len(), count(&lines, Code::LogRotated)), (0, 1));
}

// T-371
#[test]
fn t371_rename_without_sighup_is_an_alert_after_a_minute() {
    let log = Log::open(|_| ());
    write(&log, 0);
    rename(&log);
    write(&log, 2_000);
    log.tick(at(50_000));
    assert_eq!(alerts(&log.lines()).len(), 0);
    log.tick(at(70_000));
    log.tick(at(200_000));
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!(alerts(&lines), ["renamed"]);
}

// T-371
#[test]
fn t371_deleted_file_is_created_again_with_an_alert() {
    let log = Log::open(|_| ());
    write(&log, 0);
    std::fs::remove_file(path(&log)).unwrap();
    log.tick(at(2_000));
    assert_eq!(alerts(&log.lines()), ["deleted"]);
    write(&log, 3_000);
    let numbers: Vec<_> = log.close().iter().map(|line| line.sequence).collect();
    assert_eq!(numbers, [2, 3]);
}

// T-371
#[test]
fn t371_truncated_file_causes_an_alert_and_continues_with_whole_lines() {
    for keep in [0, 100] {
        let log = Log::open(|_| ());
        write(&log, 0);
        write(&log, 2_000);
        OpenOptions::new().write(true).open(path(&log)).unwrap().set_len(keep).unwrap();
        // The first write can precede the check.
        write(&log, 4_000);
        log.tick(at(6_000));
        log.audit.close();
        let text = std::fs::read_to_string(path(&log)).unwrap();
        let whole: Vec<_> = text.lines().skip(usize::from(keep > 0)).map(super::line).collect();
        assert_eq!(alerts(&whole), ["truncated"]);
        assert_eq!(whole.iter().map(|line| line.sequence).collect::<Vec<_>>(), [3, 4]);
    }
}

#[test]
fn file_at_the_path_of_the_log_is_appended_to() {
    let log = Log::open(|_| ());
    write(&log, 0);
    rename(&log);
    std::fs::write(path(&log), "not ours").unwrap();
    write(&log, 2_000);
    log.tick(at(70_000));
    log.audit.close();
    let text = std::fs::read_to_string(path(&log)).unwrap();
    let (foreign, ours) = text.split_once('\n').unwrap();
    assert_eq!(foreign, "not ours");
    let ours: Vec<_> = ours.lines().map(super::line).collect();
    assert_eq!(alerts(&ours), ["renamed"]);
}

#[test]
fn sighup_without_a_rename_changes_nothing() {
    let log = Log::open(|_| ());
    write(&log, 0);
    log.audit.reopen(at(2_000));
    write(&log, 3_000);
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!(count(&lines, Code::AuthzAdmin), 2);
    assert_eq!(lines.len(), 2);
}

/// Creates a named pipe at the path of the log, which was renamed or deleted.
fn put_pipe(log: &Log) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path(log), rustix::fs::Mode::from(0o600)).unwrap();
}

#[test]
fn pipe_at_the_path_of_the_log_is_a_fault_and_gets_no_lines() {
    for deleted in [false, true] {
        let log = Log::open(|_| ());
        write(&log, 0);
        if deleted {
            std::fs::remove_file(path(&log)).unwrap();
        } else {
            rename(&log);
        }
        put_pipe(&log);
        log.tick(at(2_000));
        assert_eq!(log.audit.counts().state, LogState::Failing);
        write(&log, 3_000);
        write(&log, 5_000);
        assert_eq!(log.audit.counts().state, LogState::Failing);
        std::fs::remove_file(path(&log)).unwrap();
        log.tick(at(7_000));
        log.tick(at(8_000));
        assert_eq!(log.audit.counts().state, LogState::Ok);
        write(&log, 9_000);
        assert_eq!(log.audit.counts().lost, 0);
        let lines = log.close();
        assert_eq!(count(&lines, Code::SysMonitorDisabled), 1);
        assert_eq!(count(&lines, Code::SysMonitorEnabled), 1);
        let operations = count(&lines, Code::AuthzAdmin);
        assert_eq!(
            operations,
            if deleted { 3 } else { 4 },
            "only the lines of the deleted file are lost"
        );
        let first = if deleted { 2 } else { 1 };
        let numbers: Vec<_> = lines.iter().map(|line| line.sequence).collect();
        let expect: Vec<_> = (first..).take(lines.len()).collect();
        assert_eq!(numbers, expect);
    }
}

#[test]
fn records_that_exceed_the_queue_during_a_fault_count_as_lost() {
    let log = Log::open(|options| (options.reserved_max, options.queue_max) = (4, 4));
    write(&log, 0);
    std::fs::remove_file(path(&log)).unwrap();
    put_pipe(&log);
    log.tick(at(2_000));
    for number in 0..10 {
        write(&log, 3_000 + number);
    }
    std::fs::remove_file(path(&log)).unwrap();
    log.tick(at(7_000));
    log.tick(at(8_000));
    let lost = log.audit.counts().lost;
    assert!(lost > 0);
    let lines = log.close();
    let reported: u64 = lines
        .iter()
        .filter(|line| line.code == Code::LogLost.name())
        .map(|line| line.suppressed)
        .sum();
    assert_eq!(reported, lost);
}

#[test]
fn numbers_continue_after_the_log_is_moved_before_a_restart() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let numbered = || AuditOptions {
        sequence_file: Some(folder.path().join("numbers")),
        ..options(folder.path())
    };
    let file = folder.path().join("security.log");
    let mut seen = Vec::new();
    for run in 0..3 {
        let audit = Audit::open(numbered()).unwrap();
        audit.record(operation(), at(0));
        audit.record(operation(), at(0));
        audit.close();
        seen.extend(lines_of(&file).iter().map(|line| line.sequence));
        std::fs::rename(&file, elsewhere.path().join(run.to_string())).unwrap();
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn pipe_is_rejected_on_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("security.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from(0o600)).unwrap();
    let opened = Audit::open(options(folder.path()));
    assert!(matches!(opened, Err(AuditError::File { .. })), "{opened:?}");
}
