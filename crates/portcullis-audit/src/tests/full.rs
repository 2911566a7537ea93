//! A full disk.
//! Never: a skipped number, a broken line, or a loss that is not counted.

use std::sync::Arc;

use portcullis_model::Code;

use super::{FaultyDisk, Line, Log, assert_unbroken, at, count, event_of_user, operation, options};
use crate::output::tests::gated_output;
use crate::{Audit, LogState};

fn lost(lines: &[Line]) -> u64 {
    let lost = lines.iter().filter(|line| line.code == Code::LogLost.name());
    lost.map(|line| line.suppressed).sum()
}

// T-373
#[test]
fn full_disk_holds_records_counts_losses_and_recovers() {
    const SENT: u64 = 12_000;
    let log = Log::open(|options| options.reserve_bytes = 0);
    log.audit.record(operation(), at(0));
    log.audit.wait_idle();
    // Half a line fits: the written part is removed again.
    log.disk.set_room(200);
    for second in 0..60 {
        for number in 0..SENT / 60 {
            log.audit.record(event_of_user(), at(second * 1_000 + number));
            log.audit.record(operation(), at(second * 1_000 + number));
        }
        log.tick(at(second * 1_000 + 999));
    }
    assert_eq!(log.audit.counts().state, LogState::Full);
    assert_eq!(log.lines().len(), 1, "only whole lines are in the file");
    log.disk.set_room(1 << 40);
    log.tick(at(61_000));
    assert_eq!(log.audit.counts().state, LogState::Ok);
    let counted = log.audit.counts().lost;
    let lines = log.close();
    assert_unbroken(&lines);
    let operations = count(&lines, Code::AuthzAdmin) as u64;
    let events = count(&lines, Code::WsConnected) as u64;
    assert!(operations >= 10_000, "{operations} operations were kept");
    assert_eq!(operations + events + lost(&lines), 1 + 2 * SENT);
    assert_eq!(lost(&lines), counted);
    assert!(counted > 0);
}

// T-373
#[test]
fn full_disk_writes_operations_with_the_reserve() {
    let log = Log::open(|_| ());
    assert_eq!(log.audit.counts().reserve_bytes, 1024 * 1024);
    log.disk.set_room(0);
    for number in 0..200 {
        log.audit.record(event_of_user(), at(number));
        log.audit.record(operation(), at(number));
        log.audit.wait_idle();
    }
    let lines = log.lines();
    assert_eq!(count(&lines, Code::AuthzAdmin), 200, "operations are already in the file");
    assert_eq!(count(&lines, Code::WsConnected), 0);
    assert_eq!(count(&lines, Code::SysMonitorDisabled), 1);
    assert_unbroken(&lines);
    let counts = log.audit.counts();
    assert_eq!(counts.state, LogState::Full);
    assert!((1..1024 * 1024).contains(&counts.reserve_bytes), "{counts:?}");
    // Less free space than the reserve needs: the disk still counts as full.
    log.disk.set_room(1_000);
    log.tick(at(2_000));
    assert_eq!(log.audit.counts().state, LogState::Full);
    log.disk.set_room(1 << 30);
    log.tick(at(4_000));
    assert_eq!(log.audit.counts().state, LogState::Ok);
    assert_eq!(log.audit.counts().reserve_bytes, 1024 * 1024, "the reserve is full again");
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!(count(&lines, Code::WsConnected), 200);
    assert_eq!((lost(&lines), count(&lines, Code::SysMonitorEnabled)), (0, 1));
}

#[test]
fn full_disk_prints_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::with_room(1 << 40);
    let (output, open, seen) = gated_output();
    let options = crate::AuditOptions { reserve_bytes: 0, ..options(folder.path()) };
    let audit = Audit::open_on(options, Some(output), Arc::<FaultyDisk>::clone(&disk)).unwrap();
    let reader = std::thread::spawn(move || while open.send(()).is_ok() {});
    disk.set_room(0);
    for _ in 0..10 {
        audit.record(operation(), at(0));
    }
    audit.wait_idle();
    disk.set_room(1 << 40);
    audit.wait_synced();
    audit.tick(at(1_000));
    audit.close();
    let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
    let printed: Vec<_> = text.lines().map(super::line).collect();
    assert_eq!(count(&printed, Code::AuthzAdmin), 10);
    assert_eq!(count(&printed, Code::SysMonitorDisabled), 1);
    let unnumbered = printed.iter().filter(|line| line.sequence == 0).count();
    assert_eq!(unnumbered, 11, "lines without a number were not in the file yet");
    assert_unbroken(&super::all_lines(folder.path()));
    drop(audit);
    drop(reader);
}

#[test]
fn failing_disk_is_retried_without_losses() {
    let log = Log::open(|_| ());
    log.audit.record(operation(), at(0));
    log.audit.wait_idle();
    // The file cannot be written, as on a disk that became read-only.
    log.disk.set_broken(true);
    for _ in 0..50 {
        log.audit.record(operation(), at(1_000));
    }
    log.tick(at(2_000));
    assert_eq!(log.audit.counts().state, LogState::Failing);
    log.disk.set_broken(false);
    log.tick(at(3_000));
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!((count(&lines, Code::AuthzAdmin), lost(&lines)), (51, 0));
}
