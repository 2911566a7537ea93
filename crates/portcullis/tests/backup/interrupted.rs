//! Backups that a kill, or a disk of the server without space, interrupts.
//! Never: a directory that a restore accepts.

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_test::{TestServer, until};

use crate::{Sender, done, names, other_machine, rejected, start, text};

/// The directory of a backup that is under way.
fn partial(place: &Path) -> Option<PathBuf> {
    let name = names(place).into_iter().find(|name| name.contains(".partial-"))?;
    Some(place.join(name))
}

#[test]
fn killed_backup_leaves_no_directory_that_restore_accepts() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(200);
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let machine = other_machine();
    // Killed when the directory is there, then with the log, then with a part of the database.
    for name in ["", "log", "portcullis.db"] {
        let mut command = server.begin(&["backup", text(&backup)]);
        let found = until("a backup that is under way", || {
            let partial = partial(place.path()).filter(|partial| partial.join(name).exists());
            let has_ended = command.try_wait().unwrap().is_some();
            (partial.is_some() || has_ended).then_some(partial)
        });
        command.kill().unwrap();
        command.wait().unwrap();
        // It can have ended before it was killed.
        if found.is_some() && !backup.exists() {
            let partial = partial(place.path()).unwrap();
            let error = rejected(&machine, &["restore", text(&partial)]);
            assert!(error.contains("backup that was interrupted: delete it"), "{error}");
            std::fs::remove_dir_all(partial).unwrap();
        } else if backup.exists() {
            std::fs::remove_dir_all(&backup).unwrap();
        }
        sender.send_until(sender.sent + 1);
    }
    done(&server, &["backup", text(&backup)]);
    assert_eq!(names(place.path()), ["backup"]);
    assert!(!server.data().join("backup-staging").exists());
}

/// Whether a process has a socket; its inputs and outputs are pipes.
fn has_socket(process: u32) -> bool {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let mut targets = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_string_lossy().starts_with("socket:"))
}

#[test]
fn backup_of_a_server_that_is_killed_fails_and_is_removed() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(20);
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    // The server cannot answer, so the backup is under way when it is killed.
    server.signal("STOP");
    let command = server.begin(&["backup", text(&backup)]);
    until("a request to the server", || has_socket(command.id()).then_some(()));
    let staging = server.data().join("backup-staging");
    std::fs::create_dir(&staging).unwrap();
    std::fs::write(staging.join("portcullis.db"), "a part").unwrap();
    let server = server.crash_and_restart();
    let output = command.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("copy its database"), "{error}");
    assert!(names(place.path()).is_empty(), "{:?}", names(place.path()));
    assert!(!staging.exists(), "the start removes the rest");
    done(&server, &["backup", text(&backup)]);
}

/// Starts the server again with a reserve that is larger than the free space.
fn without_space(server: TestServer) -> TestServer {
    let disk = rustix::fs::statvfs(server.data()).unwrap();
    let free_kib = disk.f_bavail * disk.f_frsize / 1024;
    let file = server.data().with_file_name("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let section = format!("\n[store]\nmin_free = \"{}KiB\"\n", free_kib * 2);
    std::fs::write(&file, text + &section).unwrap();
    server.restart()
}

#[test]
fn backup_that_would_fill_the_disk_of_the_server_is_rejected() {
    let server = without_space(start());
    let place = tempfile::tempdir().unwrap();
    let error = rejected(&server, &["backup", text(&place.path().join("backup"))]);
    assert!(error.contains("store.min_free") && error.contains("free space on it"), "{error}");
    assert!(names(place.path()).is_empty());
    assert!(!server.data().join("backup-staging").exists());
}

#[test]
fn backups_at_the_same_time_do_not_touch_each_others_copy() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(200);
    let place = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let paths = [0, 1, 2].map(|number| place.path().join(format!("{round}-{number}")));
        let commands = paths.clone().map(|path| server.begin(&["backup", text(&path)]));
        let mut written = 0;
        for (command, path) in commands.into_iter().zip(&paths) {
            let output = command.wait_with_output().unwrap();
            if output.status.success() {
                // The command has compared the copy with the checks of the database.
                assert!(path.join("manifest.json").exists());
                written += 1;
            } else {
                let error = String::from_utf8(output.stderr).unwrap();
                assert!(error.contains("another backup copies the database"), "{error}");
                assert!(!path.exists());
            }
        }
        assert!(written > 0);
    }
    assert!(!server.data().join("backup-staging").exists());
}

#[test]
fn backups_of_one_second_into_one_directory_have_names_of_their_own() {
    let server = start();
    let place = tempfile::tempdir().unwrap();
    let commands = [0, 1, 2].map(|_| server.begin(&["backup", "--into", text(place.path())]));
    let mut written = 0;
    for output in commands.map(|command| command.wait_with_output().unwrap()) {
        let (printed, error) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        if !output.status.success() {
            assert!(error.contains("another backup copies the database"), "{error}");
            continue;
        }
        let printed = String::from_utf8(printed).unwrap();
        let named = names(place.path());
        let own = |name: &&String| printed.contains(&format!("/{name},"));
        assert_eq!(named.iter().filter(own).count(), 1, "{printed}{named:?}");
        written += 1;
    }
    assert!(written > 0);
    assert_eq!(names(place.path()).len(), written);
}

#[test]
fn killed_restore_is_undone_by_the_next_one() {
    let mut server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(50);
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    done(&server, &["backup", text(&backup)]);
    sender.send_until(60);
    drop(sender);
    done(&server, &["user", "delete", "ann"]);
    assert!(server.terminate().success());
    let mark = server.data().join("restore.unfinished");
    let restore = ["restore", text(&backup), "--replace"];
    for _ in 0..10 {
        let mut command = server.begin(&restore);
        // Killed at once when it has started to replace files, unless it has ended.
        while command.try_wait().unwrap().is_none() && !mark.exists() {
            std::hint::spin_loop();
        }
        command.kill().unwrap();
        let output = command.wait_with_output().unwrap();
        if mark.exists() {
            let error = rejected(&server, &["serve"]);
            assert!(error.contains("a restore of a backup did not end"), "{error}");
        } else {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() || error.is_empty(), "{error}");
        }
    }
    let printed = done(&server, &restore);
    let users = done(&server, &["user", "list"]);
    assert!(!users.contains("ann"), "{printed}{users}");
    let key = done(&server, &["audit", "key"]);
    let verified = done(&server, &["audit", "verify", "--key", key.trim()]);
    assert!(verified.contains("sound"), "{verified}");
}

#[test]
fn restore_with_relative_paths_and_a_database_elsewhere_keeps_old_files() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(3);
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let keys = place.path().join("keys");
    done(&server, &["backup", text(&backup), "--keys", text(&keys)]);
    let elsewhere = place.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let url = format!("sqlite:{}", elsewhere.join("portcullis.db").display());
    let restore = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["restore", text(&backup), "--keys", text(&keys), "--replace"]);
        command.args(["--data", "data"]).env("PORTCULLIS__STORE__URL", &url);
        command.current_dir(place.path()).output().unwrap()
    };
    for _ in 0..2 {
        let output = restore();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
    }
    let is_kept = |name: &String| name.starts_with("portcullis.db.before-restore-");
    assert!(names(&elsewhere).iter().any(is_kept), "{:?}", names(&elsewhere));
    let data = names(&place.path().join("data"));
    assert!(data.iter().any(|name| name.starts_with("before-restore-")), "{data:?}");
}
