//! A real file system of 8 MiB that becomes full.
//! Never: skipped without a message when it cannot be mounted.

use std::path::Path;
use std::process::Command;

use portcullis_model::Code;

use super::{all_lines, assert_unbroken, at, count, event_of_user, operation, options};
use crate::{Audit, LogState};

struct SmallDisk<'a>(&'a Path);

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(folder: &Path) -> Option<SmallDisk<'_>> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder);
    let done = command.output().is_ok_and(|output| output.status.success());
    done.then(|| SmallDisk(folder))
}

// T-373
#[test]
fn t373_real_small_disk_fills_and_recovers() {
    const SENT: u64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = mount(folder.path()) else {
        eprintln!("SKIPPED: this machine does not allow mounting a file system of 8 MiB");
        return;
    };
    let audit = Audit::open(options(disk.0)).unwrap();
    let reserve = audit.counts().reserve_bytes;
    assert_eq!(reserve, 512 * 1024, "a sixteenth of a small disk");
    // Another program uses all free space.
    let filler = disk.0.join("filler");
    let full = std::fs::write(&filler, vec![1; 16 * 1024 * 1024]);
    assert!(full.is_err());
    for number in 0..SENT {
        audit.record(event_of_user(), at(number));
        audit.record(operation(), at(number));
    }
    audit.wait_idle();
    assert_eq!(audit.counts().state, LogState::Full);
    assert!(audit.counts().reserve_bytes < reserve);
    assert!(count(&all_lines(disk.0), Code::AuthzAdmin) > 500, "written with the reserve");
    std::fs::remove_file(&filler).unwrap();
    audit.wait_synced();
    audit.tick(at(10_000));
    audit.wait_idle();
    assert_eq!(audit.counts().state, LogState::Ok);
    assert_eq!((audit.counts().reserve_bytes, audit.counts().lost), (reserve, 0));
    audit.close();
    let lines = all_lines(disk.0);
    assert_unbroken(&lines);
    let (operations, events) = (count(&lines, Code::AuthzAdmin), count(&lines, Code::WsConnected));
    assert_eq!((operations as u64, events as u64), (SENT, SENT));
}
