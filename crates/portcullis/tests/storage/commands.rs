//! Commands of an operator while the disk of the data directory is full.
//! Never: a changed key or database; and not the exit code of a wrong configuration.

use portcullis_test::OtherDisk;

use crate::start;

/// Exit code of an error that can go away, and of a success.
const FAILED: Option<i32> = Some(1);
const DONE: Option<i32> = Some(0);

#[test]
fn command_on_a_full_disk_says_so_with_exit_code_1_and_changes_nothing() {
    let server = start();
    let disk = OtherDisk::at(&server.data());
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let commands = [
        ["keys", "rotate", "token"].as_slice(),
        &["keys", "rotate", "session"],
        &["keys", "rotate", "field"],
        &["user", "invite"],
        &["block", "add", "192.0.2.0/24", "--reason", "a test"],
        // It notes its time.
        &["backup", backup.to_str().unwrap()],
    ];
    let keys = ["token-signing.ring", "sessions.secret", "field-keys.ring"];
    let read = || keys.map(|name| std::fs::read(server.data().join(name)).unwrap());
    let before = read();
    disk.fill();
    for arguments in commands {
        let rejected = disk.rejected_writes();
        let output = server.operate_on(&disk, arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), FAILED, "{arguments:?}: {error}");
        let texts = ["No space left on device", "is full"];
        let is_named = texts.iter().any(|text| error.contains(text));
        assert!(is_named && disk.rejected_writes() > rejected, "{arguments:?}: {error}");
    }
    assert!(read() == before, "no key was changed");
    disk.free();
    std::fs::remove_dir_all(&backup).unwrap();
    // The backup first: the server needs a second to read a new session secret.
    for arguments in commands.into_iter().rev() {
        let output = server.operate_on(&disk, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), DONE, "{arguments:?}: {error}");
    }
    assert!(read() != before);
}
