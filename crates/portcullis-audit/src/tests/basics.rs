//! Numbers, restarts, summaries, file modes.
//! Never: a fault of the disk, except `/dev/full`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_model::Code;

use super::{Log, at, lines_of, operation, options, rejection};
use crate::options::{AuditError, AuditOptions};
use crate::record::fields::Record;
use crate::{Audit, LogState};

#[test]
fn lines_are_numbered_without_gap_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("security.log");
    let audit = Audit::open(options(folder.path())).unwrap();
    audit.record(Record::new(Code::SysStartup), at(0));
    for _ in 0..20 {
        audit.record(rejection(1), at(1));
    }
    audit.close();
    audit.record(rejection(1), at(2));
    audit.close();
    assert_eq!(audit.counts().written, 7);
    assert_eq!((audit.counts().sampled, audit.counts().lost), (15, 1));
    // A crash left an incomplete line; it stays in the file as a line of its own.
    let mut torn = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    torn.write_all(b"{\"event\":{\"sequence\":99").unwrap();
    let again = Audit::open(options(folder.path())).unwrap();
    again.record(Record::new(Code::SysStartup), at(0));
    again.close();

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("{\"event\":{\"sequence\":99\n", "")).unwrap();
    let read = lines_of(&path);
    assert_eq!(read.iter().map(|line| line.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((&*read[6].code, read[6].suppressed), ("log_suppressed", 15));
    assert_eq!(read[7].code, "sys_startup");
}

#[test]
fn tick_writes_the_summary_after_the_flood() {
    let log = Log::open(|_| ());
    for _ in 0..8 {
        log.audit.record(rejection(1), at(0));
    }
    for ms in [59_999, 60_000, 200_000] {
        log.tick(at(ms));
    }
    let read = log.close();
    assert_eq!(read.len(), 6);
    assert_eq!((&*read[5].code, read[5].suppressed), ("log_suppressed", 3));
}

#[test]
fn file_is_readable_by_its_owner_and_group_only() {
    let log = Log::open(|_| ());
    for (name, mode) in [("security.log", 0o640), ("security.log.reserve", 0o600)] {
        let metadata = std::fs::metadata(log.folder.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777 & !mode, 0, "{name}");
    }
    let missing = AuditOptions {
        file: Some(log.folder.path().join("missing").join("x")),
        ..AuditOptions::default()
    };
    assert!(matches!(Audit::open(missing), Err(AuditError::File { .. })));
}

// T-165
#[test]
fn full_device_counts_losses_and_does_not_block() {
    let file = Some(Path::new("/dev/full").to_owned());
    let audit = Audit::open(AuditOptions { file, ..AuditOptions::default() }).unwrap();
    for _ in 0..3 {
        audit.record(operation(), at(0));
    }
    audit.close();
    assert_eq!(audit.counts().written, 0);
    assert_eq!(audit.counts().state, LogState::Full);
    assert_eq!(audit.counts().lost, 4, "three records, and the record of the fault");
}

#[test]
fn memory_log_keeps_every_line() {
    let (audit, lines) = Audit::memory();
    for _ in 0..9 {
        audit.clone().record(rejection(1), at(0));
    }
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 9);
    assert!(lines[8].contains("\"sequence\":9") && !lines[8].ends_with('\n'));
}
