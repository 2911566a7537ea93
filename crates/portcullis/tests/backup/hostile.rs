//! Backups that an attacker has made or changed, with manifests that fit their files.
//! Never: a file beside the security log, or a database, that the author of a backup chooses.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::{done, manifest, names, other_machine, rejected, start, text};

/// A change of a backup, and a part of the error of its restore.
type Attack = (fn(&Path, &mut Vec<Value>), &'static str);

const ATTACKS: [Attack; 11] = [
    // Secrets that the attacker knows, and a database that is not checked.
    (
        |backup, files| {
            add(backup, files, "log/sessions.secret", b"of the attacker, 32 bytes long")
        },
        "log/sessions.secret is not a file of a security log",
    ),
    (
        |backup, files| add(backup, files, "log/security.log.reserve", b"x"),
        "log/security.log.reserve is not a file of a security log",
    ),
    (|backup, files| only_log(backup, files, "portcullis.db"), "it belongs to the database"),
    (|backup, files| only_log(backup, files, "token-signing.ring"), "the server's own"),
    (|backup, files| only_log(backup, files, "portcullis.toml"), "is not a file of a security log"),
    (|_, files| files.push(files[0].clone()), "twice"),
    // Files without an end, and files of elsewhere.
    (
        |backup, _| open(&backup.join("log/security.log")).set_len(1 << 40).unwrap(),
        "log/security.log is damaged: it has more than",
    ),
    (
        |backup, _| {
            let log = backup.join("log/security.log");
            fs::remove_file(&log).unwrap();
            assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
        },
        "log/security.log is not a file",
    ),
    (
        |backup, _| {
            let log = backup.join("log/security.log");
            fs::rename(&log, backup.join("elsewhere")).unwrap();
            symlink("../elsewhere", &log).unwrap();
        },
        "log/security.log is not a file",
    ),
    (
        |backup, _| {
            fs::rename(backup.join("log"), backup.join("elsewhere")).unwrap();
            symlink("elsewhere", backup.join("log")).unwrap();
        },
        "log is not a directory",
    ),
    (
        |backup, files| {
            let database = rusqlite::Connection::open(backup.join("portcullis.db")).unwrap();
            let trigger = "CREATE TRIGGER keep BEFORE DELETE ON sessions
                BEGIN SELECT RAISE(IGNORE); END;";
            database.execute_batch(trigger).unwrap();
            drop(database);
            files.retain(|file| file["name"] != "portcullis.db");
            files.push(entry(backup, "portcullis.db"));
        },
        "it has \"trigger keep\", which no server creates",
    ),
];

fn open(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

/// The entry of a file in the manifest.
fn entry(backup: &Path, name: &str) -> Value {
    let bytes = fs::read(backup.join(name)).unwrap();
    let sha256: String =
        digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "name": name, "bytes": bytes.len(), "sha256": sha256 })
}

fn add(backup: &Path, files: &mut Vec<Value>, name: &str, content: &[u8]) {
    fs::write(backup.join(name), content).unwrap();
    files.push(entry(backup, name));
}

/// Replaces the log by one file.
fn only_log(backup: &Path, files: &mut Vec<Value>, name: &str) {
    files.retain(|file| !file["name"].as_str().unwrap().starts_with("log/"));
    add(backup, files, &format!("log/{name}"), b"of the attacker");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn hostile_backup_is_rejected_and_changes_nothing() {
    let server = start();
    let place = tempfile::tempdir().unwrap();
    let (whole, keys) = (place.path().join("backup"), place.path().join("keys"));
    done(&server, &["backup", text(&whole), "--keys", text(&keys)]);
    let machine = other_machine();
    for (number, (attack, expect)) in ATTACKS.iter().enumerate() {
        let backup = place.path().join(number.to_string());
        copy(&whole, &backup);
        let mut value = manifest(&backup);
        let mut files = value["files"].as_array().unwrap().clone();
        attack(&backup, &mut files);
        value["files"] = json!(files);
        fs::write(backup.join("manifest.json"), value.to_string()).unwrap();
        let error = rejected(&machine, &["restore", text(&backup), "--keys", text(&keys)]);
        assert!(error.contains(expect), "{expect}: {error}");
        assert_eq!(names(&machine.data()), ["portcullis.db.lock"], "{expect}");
    }
    done(&machine, &["restore", text(&whole), "--keys", text(&keys)]);
}

#[test]
fn manifest_cannot_write_to_the_terminal() {
    let server = start();
    let place = tempfile::tempdir().unwrap();
    let (whole, keys) = (place.path().join("backup"), place.path().join("keys"));
    done(&server, &["backup", text(&whole), "--keys", text(&keys)]);
    let machine = other_machine();
    let hostile = "2026-11-30T02:00:00.000\u{1b}]0;x\u{7}\nrestored  all is well \u{9b}31m\u{202e}";
    let members: BTreeMap<&str, &Path> =
        BTreeMap::from([("time", whole.as_path()), ("name", whole.as_path()), ("source", &keys)]);
    for (member, directory) in members {
        let kept = fs::read(directory.join("manifest.json")).unwrap();
        let mut value = manifest(directory);
        match member {
            "time" => value["time"] = json!(hostile),
            _ => value["files"][0][member] = json!(hostile),
        }
        fs::write(directory.join("manifest.json"), value.to_string()).unwrap();
        let arguments = ["restore", text(&whole), "--keys", text(&keys)];
        let output = machine.operate(&arguments, "");
        assert_eq!(output.status.success(), member == "source", "{member}");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        let is_harmful = |letter: char| letter.is_control() && letter != '\n';
        assert!(!printed.contains(is_harmful), "{member}: {printed:?}");
        assert!(!printed.contains("\nrestored  all") && !printed.contains('\u{202e}'), "{printed}");
        fs::write(directory.join("manifest.json"), kept).unwrap();
    }
}
