//! A disk that hangs, and a reader of standard output that does not read.
//! Never: a recording thread or the end of the process that waits for them.

use std::time::Duration;

use portcullis_model::Code;

use super::{FaultyDisk, Log, assert_unbroken, at, count, operation, options, reasons, rejection};
use crate::output::tests::gated_output;
use crate::{Audit, LogState};

// T-374
#[test]
fn hanging_sync_is_reported_and_does_not_stop_records() {
    let log = Log::open(|_| ());
    log.disk.set_hangs(false, true);
    log.audit.record(operation(), at(0));
    log.audit.wait_idle();
    log.disk.wait_hanging();
    for second in 1..=30 {
        log.audit.record(operation(), at(second * 1_000));
        log.tick(at(second * 1_000));
        let expect = if second < 5 { LogState::Ok } else { LogState::Slow };
        assert_eq!(log.audit.counts().state, expect, "after {second} s");
    }
    let lines = log.lines();
    assert_eq!(count(&lines, Code::AuthzAdmin), 31);
    assert_eq!(count(&lines, Code::DiskSlow), 1);
    log.disk.set_hangs(false, false);
    let lines = log.close();
    assert_unbroken(&lines);
}

// T-376
#[test]
fn flood_on_a_hanging_disk_does_not_affect_operations() {
    let log = Log::open(|options| options.unauthenticated_day_bytes = 1 << 40);
    log.audit.record(operation(), at(0));
    log.audit.wait_idle();
    log.audit.wait_synced();
    log.disk.set_hangs(true, false);
    log.audit.record(operation(), at(1));
    log.disk.wait_hanging();
    for second in 1..60 {
        for number in 0..600 {
            log.audit.record(rejection(second * 600 + number), at(u64::from(second) * 1_000));
        }
    }
    let counts = log.audit.counts();
    assert!(counts.lost > 0, "the queue of the flood is full");
    assert_eq!(counts.state, LogState::Slow, "the write itself hangs");
    for _ in 0..1_000 {
        log.audit.record(operation(), at(60_000));
    }
    log.disk.set_hangs(false, false);
    let lines = log.close();
    assert_unbroken(&lines);
    assert_eq!(count(&lines, Code::AuthzAdmin), 1_002);
    let lost = lines.iter().filter(|line| line.code == "log_lost");
    let suppressed = lines.iter().filter(|line| line.code == "log_suppressed");
    let counted: u64 = lost.chain(suppressed).map(|line| line.suppressed).sum();
    let written = count(&lines, Code::MaliciousCsrf) as u64;
    assert_eq!(written + counted, 59 * 600, "each record is written or counted");
}

// T-375
#[test]
fn unread_standard_output_stops_neither_the_file_nor_the_close() {
    const SENT: usize = 5_000;
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::with_room(1 << 40);
    let (output, open, seen) = gated_output();
    let options = options(folder.path());
    let audit = Audit::open_on(options, Some(output.clone()), disk).unwrap();
    for number in 0..SENT {
        audit.record(operation(), at(number as u64));
        if number % 100 == 0 {
            audit.wait_idle();
        }
    }
    audit.wait_idle();
    assert_eq!(count(&super::all_lines(folder.path()), Code::AuthzAdmin), SENT);
    let lost = audit.counts().stdout_lost;
    assert!(lost > 0);
    // The reader reads again: a record reports the losses.
    let reader = std::thread::spawn(move || while open.send(()).is_ok() {});
    assert!(output.flush(Duration::from_secs(60)));
    audit.wait_synced();
    audit.tick(at(10_000));
    audit.wait_idle();
    assert!(output.flush(Duration::from_secs(60)));
    let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
    let printed: Vec<_> = text.lines().map(super::line).collect();
    assert_eq!(reasons(&printed, Code::LogLost), ["stdout"]);
    assert_eq!(count(&printed, Code::AuthzAdmin) as u64 + lost, SENT as u64);
    drop(reader);
}

#[test]
fn close_does_not_wait_for_a_hanging_disk() {
    let log = Log::open(|_| ());
    log.disk.set_hangs(true, true);
    log.audit.record(operation(), at(0));
    log.disk.wait_hanging();
    log.audit.close_within(Duration::ZERO);
    assert_eq!(log.audit.counts().written, 0);
    log.disk.set_hangs(false, false);
}
