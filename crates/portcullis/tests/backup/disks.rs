//! Backups on another disk than that of the server, and on full disks.
//! Never: a mounted file system; commands see a folder as a disk of its own.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use portcullis_test::{OtherDisk, TestServer};

use crate::{Sender, done, files, manifest, names, other_machine, rejected, start, text};

/// The exit code and the error of a command for which a folder is another disk.
fn on(server: &TestServer, disk: &OtherDisk, arguments: &[&str]) -> (Option<i32>, String) {
    let output = server.operate_on(disk, arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The lengths of the files of a backup, by its manifest and as they are.
fn lengths(backup: &Path) -> [u64; 2] {
    let listed = manifest(backup)["files"].as_array().unwrap().clone();
    let listed = listed.iter().map(|file| file["bytes"].as_u64().unwrap()).sum();
    let is_file = |path: &&std::path::PathBuf| !path.ends_with("manifest.json");
    let found = files(backup);
    [listed, found.iter().filter(is_file).map(|path| path.metadata().unwrap().len()).sum()]
}

#[test]
fn backup_on_another_disk_is_copied_there_and_can_be_restored() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(20);
    let place = tempfile::tempdir().unwrap();
    let place = place.path().canonicalize().unwrap();
    let disk = OtherDisk::at(&place);
    let (backup, keys) = (place.join("backup"), place.join("keys"));
    let arguments = ["backup", text(&backup), "--keys", text(&keys)];
    assert_eq!(on(&server, &disk, &arguments), (Some(0), String::new()));
    assert_eq!(disk.rejected_renames(), 1, "the database was not moved");
    assert_eq!(names(&place), ["backup", "keys"]);
    assert!(!server.data().join("backup-staging").exists());
    let [listed, found] = lengths(&backup);
    assert_eq!(listed, found);
    let machine = other_machine();
    done(&machine, &["restore", text(&backup), "--keys", text(&keys)]);
    assert!(done(&machine, &["user", "list"]).contains("ann"));

    // The file system in memory, which most machines have, is another one in truth.
    let memory = Path::new("/dev/shm");
    let device = |path: &Path| path.metadata().map(|facts| facts.dev()).ok();
    if device(memory).is_some_and(|memory| Some(memory) != device(&server.data())) {
        let place = tempfile::tempdir_in(memory).unwrap();
        let backup = place.path().join("backup");
        done(&server, &["backup", text(&backup)]);
        assert_eq!(names(place.path()), ["backup"]);
        assert!(!server.data().join("backup-staging").exists());
    }
}

#[test]
fn full_disk_of_a_backup_is_named_and_another_disk_can_be_used() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(20);
    let place = tempfile::tempdir().unwrap();
    let place = place.path().canonicalize().unwrap();
    let disk = OtherDisk::at(&place);
    let backup = place.join("backup");
    disk.fill();
    let (code, error) = on(&server, &disk, &["backup", text(&backup)]);
    assert!(error.contains("the disk of") && error.contains("is full: free space"), "{error}");
    assert_eq!((code, names(&place).len()), (Some(1), 0));
    assert!(disk.rejected_writes() > 0);
    assert!(!server.data().join("backup-staging").exists());

    disk.free();
    assert_eq!(on(&server, &disk, &["backup", text(&backup)]), (Some(0), String::new()));
    assert!(!server.data().join("backup-staging").exists());
    let machine = other_machine();
    let restore = ["restore", text(&backup)];
    assert!(rejected(&machine, &restore).contains("field-keys.ring"), "the files are valid");
}

#[test]
fn full_disk_of_a_restore_is_named_and_nothing_is_replaced() {
    let server = start();
    Sender::new(&server).send_until(2);
    let place = tempfile::tempdir().unwrap();
    let (backup, keys) = (place.path().join("backup"), place.path().join("keys"));
    done(&server, &["backup", text(&backup), "--keys", text(&keys)]);
    let machine = other_machine();
    std::fs::create_dir(machine.data()).unwrap();
    let disk = OtherDisk::at(&machine.data());
    disk.fill();
    let restore = ["restore", text(&backup), "--keys", text(&keys)];
    let (code, error) = on(&machine, &disk, &restore);
    assert!(error.contains("the disk of") && error.contains("is full: free space"), "{error}");
    assert_eq!(code, Some(1));
    assert_eq!(names(&machine.data()), ["portcullis.db.lock"]);
    disk.free();
    assert_eq!(on(&machine, &disk, &restore), (Some(0), String::new()));
}
