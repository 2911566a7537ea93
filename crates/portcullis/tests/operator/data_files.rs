//! Owners and modes of the files in the data directory, as commands and the start leave them.
//! Never: a file outside of the directory of the test.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portcullis_test::{Config, TestServer, sign_up, until};

/// A user and a group without an account of the server.
const USER: (u32, u32) = (65_534, 65_533);

fn start() -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &Config::default())
}

/// All files and directories below a directory, and the directory.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_path_buf()];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Those that do not belong to [`USER`].
fn foreign(directory: &Path) -> Vec<PathBuf> {
    let is_foreign = |path: &PathBuf| {
        let facts = metadata(path).unwrap();
        (facts.uid(), facts.gid()) != USER
    };
    tree(directory).into_iter().filter(is_foreign).collect()
}

fn done(server: &TestServer, arguments: &[&str]) {
    let output = server.operate(arguments, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
}

/// Runs the program as [`USER`]; `None` if it has no access to the program.
fn as_user(server: &TestServer, arguments: &[&str]) -> Option<Output> {
    let folder = server.data().parent().unwrap().to_path_buf();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let command = command.current_dir(&folder).env_clear().uid(USER.0).gid(USER.1);
    command.args(arguments).args(["--config", "portcullis.toml", "--data", "data"]).output().ok()
}

// Only root can make files of another user: without it, the owner is a test of `private_file`.
#[test]
fn command_of_root_leaves_files_to_the_user_of_the_server() {
    let mut server = start();
    let data = server.data();
    if metadata(&data).unwrap().uid() != 0 {
        return;
    }
    assert!(server.terminate().success());
    let folder = data.parent().unwrap();
    tree(folder).iter().for_each(|path| chown(path, Some(USER.0), Some(USER.1)).unwrap());
    let place = tempfile::tempdir().unwrap();
    let (backup, keys) = (place.path().join("backup"), place.path().join("keys"));
    let (backup, keys) = (backup.to_str().unwrap(), keys.to_str().unwrap());
    for arguments in [
        &["keys", "rotate"][..],
        &["keys", "rotate", "session"],
        &["keys", "rotate", "field"],
        &["keys", "reencrypt", "--compact"],
        &["user", "list"],
        &["backup", backup, "--keys", keys],
        &["restore", backup, "--keys", keys, "--replace"],
        &["room", "list"],
    ] {
        done(&server, arguments);
        assert_eq!(foreign(&data), Vec::<PathBuf>::new(), "{arguments:?}");
    }

    // A file of root, as an earlier version left it.
    let ring = data.join("field-keys.ring");
    chown(&ring, Some(0), Some(0)).unwrap();
    for arguments in [&["check"][..], &["serve"], &["keys", "list"], &["user", "list"]] {
        let Some(output) = as_user(&server, arguments) else { return };
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        for expect in ["belong to root (uid 0)", "chown -h 65534:65533 data/field-keys.ring"] {
            assert!(errors.contains(expect), "{arguments:?}: {errors}");
        }
    }
    chown(&ring, Some(USER.0), Some(USER.1)).unwrap();
    let output = as_user(&server, &["user", "list"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A directory of root.
    chown(&data, Some(0), Some(0)).unwrap();
    let output = as_user(&server, &["check"]).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let expect = "it belongs to uid 0, and this user (uid 65534) cannot use it";
    assert!(errors.contains(expect) && errors.contains("chown -R 65534:65533 data"), "{errors}");
}

// Only root can have the directory of another user; `owners` has a test without root.
#[test]
fn start_as_root_with_the_directory_of_another_user_is_rejected() {
    let mut server = start();
    let data = server.data();
    if metadata(&data).unwrap().uid() != 0 {
        return;
    }
    assert!(server.terminate().success());
    let folder = data.parent().unwrap();
    let give = |owner: (u32, u32)| {
        tree(folder).iter().for_each(|path| chown(path, Some(owner.0), Some(owner.1)).unwrap());
    };
    give(USER);
    let before = tree(&data);
    let output = server.operate(&["serve"], "");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("sudo -u '#65534' portcullis"), "{errors}");
    assert_eq!((tree(&data), foreign(&data)), (before, Vec::new()));
    let output = server.operate(&["check"], "");
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{warnings}");
    assert!(warnings.contains("--data: a start as root is rejected: "), "{warnings}");
    assert_eq!(foreign(&data), Vec::<PathBuf>::new());
    // A directory of root, as in a container.
    give((0, 0));
    drop(server.crash_and_restart());
}

#[test]
fn check_of_a_killed_server_changes_no_file() {
    let mut server = start();
    let _ann = sign_up(&server, "ann");
    server.kill();
    let data = server.data();
    let log = metadata(data.join("portcullis.db-wal")).unwrap();
    assert!(log.len() > 0, "changes that are only in the log of SQLite");
    let content = || {
        let of = |path: PathBuf| {
            let changed = metadata(&path).unwrap().modified().unwrap();
            (changed, std::fs::read(&path).ok(), path)
        };
        let mut files: Vec<_> = tree(&data).into_iter().map(of).collect();
        files.sort();
        files
    };
    let before = content();
    let output = server.operate(&["check"], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(content() == before);
    let server = server.crash_and_restart();
    done(&server, &["user", "lock", "ann"]);
}

// Only root has rights that the user of the server does not have.
#[test]
fn command_of_root_follows_no_link_of_the_user_of_the_server() {
    let mut server = start();
    let data = server.data();
    if metadata(&data).unwrap().uid() != 0 {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let (backup, keys) = (at("backup"), at("keys"));
    let (backup, keys) = (backup.to_str().unwrap(), keys.to_str().unwrap());
    done(&server, &["backup", backup, "--keys", keys]);
    assert!(server.terminate().success());
    std::fs::write(at("shadow"), "of root").unwrap();
    set_permissions(at("shadow"), Permissions::from_mode(0o600)).unwrap();
    let before = metadata(at("shadow")).unwrap();
    std::fs::create_dir(at("etc")).unwrap();
    // Links to a file of root, and to files that only root could create.
    let link = |name: &str, target: &Path| {
        let _former = std::fs::remove_file(data.join(name));
        std::os::unix::fs::symlink(target, data.join(name)).unwrap();
    };
    link("security.log.lock", &at("shadow"));
    link("portcullis.db.lock", &at("etc").join("nologin"));
    std::fs::write(data.join("evil"), "of the attacker").unwrap();
    let folder = data.parent().unwrap();
    tree(folder).iter().for_each(|path| lchown(path, Some(USER.0), Some(USER.1)).unwrap());
    let unchanged = |what: &str| {
        let now = metadata(at("shadow")).unwrap();
        assert_eq!((now.ino(), now.uid(), now.mode()), (before.ino(), 0, before.mode()), "{what}");
        assert_eq!(std::fs::read_to_string(at("shadow")).unwrap(), "of root", "{what}");
        assert_eq!(std::fs::read_dir(at("etc")).unwrap().count(), 0, "{what}");
    };
    let restore = ["restore", backup, "--keys", keys, "--replace"];
    let fails = |arguments: &[&str]| {
        let output = server.operate(arguments, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!errors.contains("chown"), "root would give the file away: {errors}");
        unchanged(&format!("{arguments:?}"));
    };
    fails(&["audit", "erase", "--all", "--yes"]);
    fails(&["backup", at("next").to_str().unwrap()]);
    fails(&restore);
    // A restore that the user of the server pretends to have started.
    std::fs::remove_file(data.join("portcullis.db.lock")).unwrap();
    // Links whose content would become a part of the backup.
    std::fs::remove_file(data.join("security.log.lock")).unwrap();
    let (next, next_keys) = (at("next"), at("next-keys"));
    let again = ["backup", next.to_str().unwrap(), "--keys", next_keys.to_str().unwrap()];
    for name in ["ca.pem", "audit-chain.state", "audit-chain.keys", "portcullis.db"] {
        let (path, kept) = (data.join(name), place.path().join("kept"));
        let is_there = std::fs::rename(&path, &kept).is_ok();
        std::os::unix::fs::symlink(at("shadow"), &path).unwrap();
        let output = server.operate(&again, "");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(name), "{name}: {errors}");
        assert!(!next.exists() && !next_keys.exists());
        std::fs::remove_file(&path).unwrap();
        if is_there {
            std::fs::rename(&kept, &path).unwrap();
        }
    }
    done(&server, &again);
    // From a directory that is closed to the user of the server.
    let closed = at("closed");
    std::fs::create_dir(&closed).unwrap();
    set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let folder = data.parent().unwrap();
    // All the way up, and down again.
    let up: PathBuf = closed.components().skip(1).map(|_| "..").collect();
    let relative = up.join(data.strip_prefix("/").unwrap());
    for arguments in [["user", "list"], ["backup", "copy"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).current_dir(&closed);
        command.args(["--config", folder.join("portcullis.toml").to_str().unwrap()]);
        let output = command.arg("--data").arg(&relative).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
    }
    let folder = data.join("before-restore-1");
    let files = [serde_json::json!({ "place": at("shadow"), "aside": data.join("evil") })];
    let mark = serde_json::json!({ "note": "", "folder": folder, "files": files });
    std::fs::write(data.join("restore.unfinished"), mark.to_string()).unwrap();
    chown(data.join("restore.unfinished"), Some(USER.0), Some(USER.1)).unwrap();
    fails(&restore);
    std::fs::remove_file(data.join("restore.unfinished")).unwrap();
    done(&server, &restore);
    unchanged("a restore");
    assert_eq!(foreign(&data), Vec::<PathBuf>::new());
}

#[test]
fn start_names_files_that_others_could_read_and_makes_them_private() {
    let mut server = start();
    assert!(server.terminate().success());
    let data = server.data();
    let mode = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o777;
    let names = ["portcullis.db", "audit-chain.state", "setup-token.sha256"];
    let open = |path: &Path, mode: u32| set_permissions(path, Permissions::from_mode(mode));
    names.iter().for_each(|name| open(&data.join(name), 0o644).unwrap());
    open(&data, 0o755).unwrap();
    let output = server.operate(&["check"], "");
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{warnings}");
    assert!(warnings.contains("other users can enter the data directory"), "{warnings}");
    for name in names {
        let expect = format!("other users could read data/{name} (mode 644)");
        assert!(warnings.contains(&expect), "{name}: {warnings}");
        assert_eq!(mode(&data.join(name)), 0o644, "a check changes nothing");
    }
    let server = server.crash_and_restart();
    for name in names {
        let expect = format!("data/{name} (mode 644)");
        until(&expect, || server.records.errors().contains(&expect).then_some(()));
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    for name in ["portcullis.db-wal", "portcullis.db-shm"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&data), 0o700);
}
