//! A real file system of 8 MiB that is full for a while.
//! Never: passed silently where none can be mounted; the test says so.

use std::path::Path;
use std::process::Command;

use portcullis_model::Code;

use super::{all_lines, assert_unbroken, at, count, event_of_user, operation, options};
use crate::{Audit, LogState};

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(folder: &Path) -> Option<Mounted<'_>> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder);
    let done = command.output().is_ok_and(|output| output.status.success());
    done.then(|| Mounted(folder))
}

// T-373
#[test]
fn t373_real_small_disk_fills_and_recovers() {
    const SENT: u64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let Some(mounted) = mount(folder.path()) else {
        eprintln!("SKIPPED: this machine does not allow mounting a file system of 8 MiB");
        return;
    };
    let audit = Audit::open(options(mounted.0)).unwrap();
    let reserve = audit.counts().reserve_bytes;
    assert_eq!(reserve, 512 * 1024, "a sixteenth of a small disk");
    // Another program takes all that is left.
    let ballast = mounted.0.join("ballast");
    let full = std::fs::write(&ballast, vec![1; 16 * 1024 * 1024]);
    assert!(full.is_err());
    for number in 0..SENT {
        audit.record(event_of_user(), at(number));
        audit.record(operation(), at(number));
    }
    audit.wait_idle();
    assert_eq!(audit.counts().state, LogState::Full);
    assert!(audit.counts().reserve_bytes < reserve);
    assert!(count(&all_lines(mounted.0), Code::AuthzAdmin) > 500, "from the reserve");
    std::fs::remove_file(&ballast).unwrap();
    audit.wait_synced();
    audit.tick(at(10_000));
    audit.wait_idle();
    assert_eq!(audit.counts().state, LogState::Ok);
    assert_eq!((audit.counts().reserve_bytes, audit.counts().lost), (reserve, 0));
    audit.close();
    let lines = all_lines(mounted.0);
    assert_unbroken(&lines);
    let (operations, events) = (count(&lines, Code::AuthzAdmin), count(&lines, Code::WsConnected));
    assert_eq!((operations as u64, events as u64), (SENT, SENT));
}
