//! Files of a later version in a data directory: rejected or set aside, each by its name.
//! Never: a file of a later version that is lost, or a database that is migrated beside it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_test::TestServer;

use crate::earlier::StoppedData;
use crate::{done, files, names, other_machine, rejected, start, text};

/// The text of every error about a later format.
const LATER: &str = "format 2, this version reads 1: install a later version";

fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// A file of the data directory in a later format.
fn later(data: &Path, name: &str) -> String {
    let path = data.join(name);
    let is_text = std::fs::read_to_string(&path).ok().filter(|text| text.contains(" 1\n"));
    // A file with a single session secret has no first line.
    is_text.map_or_else(
        || String::from("portcullis-session-secrets 2\nx\n"),
        |text| text.replacen(" 1\n", " 2\n", 1),
    )
}

#[test]
fn keys_of_a_later_format_stop_the_start_before_the_migration() {
    let (kept, server) = StoppedData::make();
    let data = server.data();
    for name in ["field-keys.ring", "token-signing.ring", "sessions.secret", "audit-chain.state"] {
        kept.put(&data, 9);
        let changed = later(&data, name);
        write(&data.join(name), &changed);
        let all = || files(&data).into_iter().map(|path| (std::fs::read(&path).unwrap(), path));
        let before: Vec<_> = all().collect();
        for command in ["serve", "check"] {
            let output = server.operate(&[command], "");
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.contains(name) && error.contains(LATER), "{command} {name}: {error}");
            assert_eq!(output.status.code(), Some(2), "{command} {name}");
        }
        let after: Vec<_> = all().collect();
        let changed: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
        let changed: Vec<_> = changed.iter().map(|(_, path)| path).collect();
        assert!(changed.is_empty() && after.len() == before.len(), "{name}: {changed:?}");
    }
}

/// Starts a server on the data of one that is stopped, and stops it.
fn started_and_stopped(server: TestServer) -> TestServer {
    let mut server = server.crash_and_restart();
    assert!(server.terminate().success());
    server
}

#[test]
fn state_of_a_later_format_is_set_aside_and_named() {
    let (kept, mut server) = StoppedData::make();
    let data = server.data();
    kept.put(&data, 10);
    let state = "portcullis-alerts\t2\nsilences of a later version\n";
    write(&data.join("alerts.state"), state);
    let spool = "{\"format\":2,\"messages\":[]}\n";
    write(&data.join("alerts.spool"), spool);
    write(&data.join("security.log.clock"), "portcullis-clock 2\nclock of a later version\n");
    std::fs::create_dir(data.join("audit-reports")).unwrap();
    let report = data.join("audit-reports/2031-01-01.json");
    write(&report, "{\"format\":2}");
    server = started_and_stopped(server);
    let errors = server.records.errors();
    for (name, expect) in [
        ("alerts.state", "alerts.state has format 2, this version reads 1: install a later"),
        ("alerts.state", "it is kept as alerts.state.broken"),
        ("alerts.spool", "undelivered alerts of a later version, or damaged ones, are not sent"),
        ("alerts.spool.broken", "a copy of the file with these alerts is kept"),
        ("security.log.clock", "the time of the security log is of another version, or damaged"),
        ("2031-01-01.json", "a report of the regular audit is left out"),
    ] {
        let is_named = |line: &str| line.contains(name) && line.contains(expect);
        assert!(errors.lines().any(is_named), "{name}: {errors}");
    }
    assert!(!errors.contains("panicked"), "{errors}");
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    assert_eq!(
        (read("alerts.state.broken"), read("alerts.spool.broken")),
        (state.into(), spool.into())
    );
    assert!(report.exists());
    let log = server.records.text();
    assert!(log.contains("sys_monitor_disabled") && log.contains("alert_fired"), "{log}");
    assert!(read("security.log.clock").starts_with("portcullis-clock 1\n"));
}

#[test]
fn unreadable_file_without_a_format_is_replaced_and_loses_no_record() {
    let (kept, mut server) = StoppedData::make();
    let data = server.data();
    kept.put(&data, 10);
    let key = done(&server, &["audit", "key"]);
    for name in [
        "digest.sent",
        "syslog.position",
        "alerts.delivered",
        "last-backup",
        "security-log.sequence",
    ] {
        write(&data.join(name), "{\"format\":2}\n");
    }
    server = started_and_stopped(server);
    let errors = server.records.errors();
    assert!(!errors.contains("panicked") && !errors.contains("\"ERROR\""), "{errors}");
    let verified = done(&server, &["audit", "verify", "--key", key.trim()]);
    assert!(verified.contains("sound"), "{verified}");
}

#[test]
fn backup_of_a_later_format_is_rejected_and_never_deleted() {
    let (kept, server) = StoppedData::make();
    let data = server.data();
    kept.put(&data, 10);
    let place = tempfile::tempdir().unwrap();
    let (into, keys) = (place.path().join("backups"), place.path().join("keys"));
    std::fs::create_dir(&into).unwrap();
    let make = || done(&server, &["backup", "--into", text(&into), "--keep", "1"]);
    make();
    let first = into.join(names(&into).remove(0));
    let path = first.join("manifest.json");
    let changed = std::fs::read_to_string(&path).unwrap().replace("-backup 1", "-backup 2");
    std::fs::write(&path, changed).unwrap();
    let machine = other_machine();
    let error = rejected(&machine, &["restore", text(&first)]);
    assert!(error.contains("was written by a later version") && error.contains(LATER), "{error}");
    assert!(!machine.data().join("portcullis.db").exists());
    make();
    assert_eq!(names(&into).len(), 2, "one is not of this version");

    // Keys of a later version, beside data of this one.
    for name in ["audit-chain.state", "field-keys.ring"] {
        kept.put(&data, 10);
        let backup = place.path().join(format!("{name}-data"));
        done(&server, &["backup", text(&backup), "--keys", text(&keys)]);
        let changed = later(&keys, name);
        std::fs::write(keys.join(name), &changed).unwrap();
        note_again(&keys, name);
        let error = rejected(&machine, &["restore", text(&backup), "--keys", text(&keys)]);
        assert!(error.contains(name) && error.contains(LATER), "{name}: {error}");
        assert!(!machine.data().join("portcullis.db").exists());
        std::fs::remove_dir_all(&keys).unwrap();
    }
}

#[test]
fn keys_of_a_later_format_are_rejected_without_sealed_texts() {
    let mut server = start();
    assert!(server.terminate().success());
    let place = tempfile::tempdir().unwrap();
    let (backup, keys) = (place.path().join("data"), place.path().join("keys"));
    done(&server, &["backup", text(&backup), "--keys", text(&keys)]);
    let changed = later(&keys, "field-keys.ring");
    std::fs::write(keys.join("field-keys.ring"), changed).unwrap();
    note_again(&keys, "field-keys.ring");
    let machine = other_machine();
    let error = rejected(&machine, &["restore", text(&backup), "--keys", text(&keys)]);
    assert!(error.contains("field-keys.ring") && error.contains(LATER), "{error}");
    assert!(!machine.data().join("portcullis.db").exists());
}

/// Writes the size and digest of a file into its manifest.
fn note_again(directory: &Path, name: &str) {
    let mut manifest = crate::manifest(directory);
    let bytes = std::fs::read(directory.join(name)).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let noted = manifest["files"].as_array_mut().unwrap();
    let file = noted.iter_mut().find(|file| file["name"] == name).unwrap();
    file["bytes"] = bytes.len().into();
    file["sha256"] = digest.into();
    std::fs::write(directory.join("manifest.json"), manifest.to_string()).unwrap();
}
