//! Backups and data directories that a restore rejects, each with its name.
//! Never: a file changed in the data directory by a restore that is rejected.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_test::{Config, TestServer};
use serde_json::json;

use crate::{Sender, done, files, manifest, names, other_machine, rejected, start, text};

/// A backup with its keys.
fn backup(server: &TestServer, place: &Path) {
    let mut sender = Sender::new(server);
    sender.send_until(2);
    let (data, keys) = (place.join("backup"), place.join("keys"));
    done(server, &["backup", text(&data), "--keys", text(&keys)]);
}

fn write_manifest(directory: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = manifest(directory);
    change(&mut value);
    std::fs::write(directory.join("manifest.json"), value.to_string()).unwrap();
}

#[test]
fn damaged_backup_is_rejected_and_its_file_named() {
    let server = start();
    let place = tempfile::tempdir().unwrap();
    backup(&server, place.path());
    let (data, keys) = (place.path().join("backup"), place.path().join("keys"));
    let machine = other_machine();
    let restore = ["restore", text(&data), "--keys", text(&keys)];
    let unchanged = |what: &str| {
        let names = names(&machine.data());
        assert_eq!(names, ["portcullis.db.lock"], "{what}");
    };
    for directory in [&data, &keys] {
        for file in files(directory) {
            let original = std::fs::read(&file).unwrap();
            if original.is_empty() || file.ends_with("manifest.json") {
                continue;
            }
            let mut flipped = original.clone();
            let at = flipped.len() / 2;
            flipped[at] ^= 1;
            for (changed, expect) in [
                (Some(flipped), "is damaged: its content has changed"),
                (Some(original[..original.len() - 1].to_vec()), "is damaged: it has"),
                (None, "cannot be read: use another backup"),
            ] {
                match &changed {
                    Some(bytes) => std::fs::write(&file, bytes).unwrap(),
                    None => std::fs::remove_file(&file).unwrap(),
                }
                let error = rejected(&machine, &restore);
                let name = file.display().to_string();
                assert!(error.contains(&name) && error.contains(expect), "{name}: {error}");
                unchanged(&name);
            }
            std::fs::write(&file, original).unwrap();
        }
    }
    let manifest = std::fs::read(data.join("manifest.json")).unwrap();
    std::fs::remove_file(data.join("manifest.json")).unwrap();
    let error = rejected(&machine, &restore);
    assert!(error.contains("this is not a complete backup"), "{error}");
    std::fs::write(data.join("manifest.json"), manifest).unwrap();
    done(&machine, &restore);
}

#[test]
fn backup_that_does_not_fit_is_rejected_by_name() {
    let server = start();
    let place = tempfile::tempdir().unwrap();
    backup(&server, place.path());
    let (data, keys) = (place.path().join("backup"), place.path().join("keys"));
    let machine = other_machine();
    let error = rejected(&machine, &["restore", text(&data)]);
    assert!(error.contains("field-keys.ring is neither in"), "{error}");
    let error = rejected(&machine, &["restore", text(&keys)]);
    assert!(error.contains("is a backup of keys, and one of data belongs here"), "{error}");
    let error = rejected(&machine, &["restore", text(&data), "--keys", text(&data)]);
    assert!(error.contains("is a backup of data, and one of keys belongs here"), "{error}");

    // The keys of another server.
    let other = start();
    let foreign = tempfile::tempdir().unwrap();
    backup(&other, foreign.path());
    let foreign = foreign.path().join("keys");
    let error = rejected(&machine, &["restore", text(&data), "--keys", text(&foreign)]);
    assert!(error.contains("field-keys.ring does not have the key"), "{error}");

    let restore = ["restore", text(&data), "--keys", text(&keys)];
    let newer = |value: &mut serde_json::Value| value["schema"] = json!(99);
    let kept = manifest(&data);
    write_manifest(&data, newer);
    let error = rejected(&machine, &restore);
    assert!(error.contains("schema 99") && error.contains("install a later version"), "{error}");
    write_manifest(&data, |value| *value = kept.clone());
    write_manifest(&data, |value| value["files"][0]["name"] = json!("../outside"));
    let error = rejected(&machine, &restore);
    assert!(error.contains("../outside"), "{error}");
    write_manifest(&data, |value| *value = kept);
    assert_eq!(names(&machine.data()), ["portcullis.db.lock"]);

    // A restore that did not end: the server does not start on the rest of it.
    let mark = machine.data().join("restore.unfinished");
    std::fs::write(&mark, r#"{ "note": "", "folder": "/nonexistent", "files": [] }"#).unwrap();
    let error = rejected(&machine, &["serve"]);
    assert!(error.contains("a restore of a backup did not end"), "{error}");
    assert!(done(&machine, &restore).contains("undone    an interrupted restore"));
    assert!(!mark.exists());
}

#[test]
fn directory_of_a_backup_is_new_or_empty_and_no_link() {
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &Config::default());
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["full", "empty", "target"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("full").join("file"), "").unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("target"), at("link")).unwrap();
    for (name, expect) in [
        ("full", "is not empty"),
        ("file", "is not a directory"),
        ("link", "is not a directory"),
        ("missing/backup", "cannot create a directory in"),
    ] {
        let error = rejected(&server, &["backup", text(&at(name))]);
        assert!(error.contains(expect), "{name}: {error}");
    }
    let (data, other) = (server.data(), at("new"));
    let in_data = data.join("backup");
    for (arguments, expect) in [
        (vec!["backup", text(&in_data)], "is in the data directory"),
        (vec!["backup", text(&other), "--keys", text(&in_data)], "is in the data directory"),
        (vec!["backup", "--into", text(&data)], "is in the data directory"),
        (vec!["backup", text(&other), "--keys", text(&other)], "are the same directory"),
    ] {
        let error = rejected(&server, &arguments);
        assert!(error.contains(expect), "{arguments:?}: {error}");
    }
    assert!(names(&at("target")).is_empty());
    done(&server, &["backup", text(&at("empty"))]);
    assert!(at("empty").join("manifest.json").exists());
    assert_eq!(names(place.path()), ["empty", "file", "full", "link", "target"]);
    let output = server.operate(&["backup"], "");
    assert_eq!(output.status.code(), Some(2), "no directory");
}

#[test]
fn directory_that_others_can_write_to_is_named_and_rejected_for_keys() {
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &Config::default());
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let warned = |arguments: &[&str]| {
        let output = server.operate(arguments, "");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        errors
    };
    std::fs::create_dir_all(at("open/inner")).unwrap();
    std::fs::create_dir_all(at("sticky/target")).unwrap();
    let change = |name: &str, mode| set_permissions(at(name), Permissions::from_mode(mode));
    change("open", 0o777).unwrap();
    change("sticky", 0o1777).unwrap();
    // The new directory takes the place of an empty one, with its own mode.
    change("sticky/target", 0o777).unwrap();
    let expect = format!(
        "other users can write to {} (mode 777), and could replace the ",
        at("open").display()
    );
    let (one, two, keys) = (at("open/one"), at("open/inner/two"), at("open/inner/keys"));
    for arguments in [
        ["backup", text(&one)].as_slice(),
        &["backup", text(&two)],
        &["backup", "--into", text(&at("open"))],
    ] {
        let errors = warned(arguments);
        assert!(errors.contains(&format!("warning: {expect}backup")), "{errors}");
    }
    let (target, safe) = (at("sticky/target"), at("sticky/keys"));
    let error = rejected(&server, &["backup", text(&target), "--keys", text(&keys)]);
    let mend = format!("run chmod go-w {}, mount it with umask=077", at("open").display());
    assert!(error.contains(&format!("{expect}keys")) && error.contains(&mend), "{error}");
    assert_eq!((names(&target).len(), keys.exists()), (0, false));
    assert_eq!(warned(&["backup", text(&target), "--keys", text(&safe)]), "");
    let mode = std::fs::metadata(&target).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o700);

    let machine = other_machine();
    let output = machine.operate(&["restore", text(&two), "--keys", text(&safe)], "");
    let errors = String::from_utf8(output.stderr).unwrap();
    let expect = format!("and could have replaced {}: compare it", two.display());
    assert_eq!(errors.matches("warning: ").count(), 1, "{errors}");
    assert!(output.status.success() && errors.contains(&expect), "{errors}");
}

#[test]
fn database_of_a_later_version_is_rejected_with_what_to_do() {
    let mut server = start();
    assert!(server.terminate().success());
    let database = rusqlite::Connection::open(server.data().join("portcullis.db")).unwrap();
    let known: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    database.pragma_update(None, "user_version", known + 1).unwrap();
    drop(database);
    let expect = format!(
        "the database has schema {}, this version reads {known}: install a later version",
        known + 1
    );
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    for arguments in [&["serve"][..], &["check"], &["user", "list"], &["backup", text(&backup)]] {
        let error = rejected(&server, arguments);
        assert!(error.contains(&expect), "{arguments:?}: {error}");
    }
    assert!(names(place.path()).is_empty());
}
