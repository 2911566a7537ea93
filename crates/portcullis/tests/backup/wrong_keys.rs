//! Field keys of another server: every command names the missing key before it changes anything.
//! Never: a value sealed with a key of another server.

use std::path::{Path, PathBuf};

use portcullis_test::{TestServer, until};
use serde_json::json;

use crate::{Sender, done, manifest, other_machine, rejected, start, text, texts};

const RING: &str = "field-keys.ring";

/// The id of the key in use of a server.
fn key_id(server: &TestServer) -> String {
    let listed = done(server, &["keys", "list"]);
    let line = listed.lines().find(|line| line.starts_with("field")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// The report of a regular audit that finds something critical.
fn doctor(server: &TestServer) -> String {
    let output = server.operate(&["doctor"], "");
    assert_eq!(output.status.code(), Some(3));
    String::from_utf8(output.stdout).unwrap()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The files that hold data, to compare them.
fn content(server: &TestServer) -> [Vec<u8>; 3] {
    ["portcullis.db", RING, "security.log"].map(|name| read(&server.data().join(name)))
}

#[test]
fn t153_field_keys_of_another_server_are_rejected_by_name() {
    let (mut server, other) = (start(), start());
    let mut sender = Sender::new(&server);
    sender.send_until(3);
    let (own, foreign) = (key_id(&server), key_id(&other));
    let ring = server.data().join(RING);
    let (kept, wrong) = (read(&ring), read(&other.data().join(RING)));
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);

    // A running server keeps its own keys.
    std::fs::write(&ring, &wrong).unwrap();
    until("the error about the keyring", || {
        server.records.errors().contains("of another server").then_some(())
    });
    sender.send_until(5);
    let backup = ["backup", text(&at("a")), "--keys", text(&at("b"))].map(String::from);
    let backup = backup.each_ref().map(String::as_str);
    let expect = format!("does not have the key {own}");
    let error = rejected(&server, &backup);
    assert!(error.contains(&expect), "{error}");
    assert!(doctor(&server).contains(&expect));
    std::fs::write(&ring, &kept).unwrap();
    assert_eq!(texts(&server, &sender.token, &sender.room).len(), 5);
    assert!(server.terminate().success());

    // A stopped one does not start, and nothing is changed.
    std::fs::write(&ring, &wrong).unwrap();
    let before = content(&server);
    for arguments in
        [&["check"][..], &["serve"], &backup, &["keys", "rotate", "field"], &["keys", "reencrypt"]]
    {
        let error = rejected(&server, arguments);
        assert!(error.contains(&expect), "{arguments:?}: {error}");
        assert!(error.contains("put back the right field-keys.ring"), "{arguments:?}: {error}");
        assert!(!error.contains(&foreign), "{error}");
    }
    assert!(doctor(&server).contains(&expect));
    assert_eq!(content(&server), before);
    assert!(!at("a").exists() && !at("b").exists());
    std::fs::write(&ring, &kept).unwrap();
    let server = server.crash_and_restart();
    assert_eq!(texts(&server, &sender.token, &sender.room).len(), 5);
}

/// A backup with its keys, and the keys of another server.
fn backups(place: &Path) -> [PathBuf; 3] {
    let (server, other) = (start(), start());
    Sender::new(&server).send_until(2);
    let paths = ["data", "keys", "foreign"].map(|name| place.join(name));
    done(&server, &["backup", text(&paths[0]), "--keys", text(&paths[1])]);
    let unused = place.join("unused");
    done(&other, &["backup", text(&unused), "--keys", text(&paths[2])]);
    paths
}

#[test]
fn t153_restore_compares_keys_with_the_data_and_not_only_with_the_manifest() {
    let place = tempfile::tempdir().unwrap();
    let [data, keys, foreign] = backups(place.path());
    // As an earlier version wrote it while the server had the keys of another one.
    let mut value = manifest(&data);
    value["field_keys"] = manifest(&foreign)["field_keys"].clone();
    std::fs::write(data.join("manifest.json"), value.to_string()).unwrap();
    let machine = other_machine();
    let error = rejected(&machine, &["restore", text(&data), "--keys", text(&foreign)]);
    let own = manifest(&keys)["field_keys"][0].as_str().unwrap().to_owned();
    assert!(error.contains(&format!("does not have the key {own}")), "{error}");
    done(&machine, &["restore", text(&data), "--keys", text(&keys)]);

    // A key that only an application used is needed as well.
    let machine = other_machine();
    value["field_keys"] = json!([own, "00000000000000aa"]);
    std::fs::write(data.join("manifest.json"), value.to_string()).unwrap();
    let error = rejected(&machine, &["restore", text(&data), "--keys", text(&keys)]);
    assert!(error.contains("does not have the key 00000000000000aa"), "{error}");
}
