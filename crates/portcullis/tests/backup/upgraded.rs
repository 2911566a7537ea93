//! Whole data directories of earlier versions: started, used, backed up and restored.
//! Never: a user who has to do something because of an upgrade, if the version had sessions.

use std::path::Path;

use portcullis_test::{NEWEST_SCHEMA, Request, SioClient, TestServer, authenticator_code, sign_in};
use serde_json::json;

use crate::earlier::{StoppedData, has_chain, has_sessions};
use crate::{PASSWORD, done, manifest, other_machine, refresh, text, texts};

/// The schema of the database in a data directory.
fn schema(data: &Path) -> u32 {
    let database = rusqlite::Connection::open(data.join("portcullis.db")).unwrap();
    database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Checks that a log is as it was written; returns its first key.
fn verified(server: &TestServer) -> String {
    let key = done(server, &["audit", "key"]);
    let printed = done(server, &["audit", "verify", "--key", key.trim()]);
    assert!(printed.contains("sound"), "{printed}");
    key
}

/// Restores a backup on a machine without a data directory.
fn restore(machine: &TestServer, backup: &Path, keys: &Path) {
    if machine.data().exists() {
        std::fs::remove_dir_all(machine.data()).unwrap();
    }
    done(machine, &["restore", text(backup), "--keys", text(keys)]);
    assert_eq!(schema(&machine.data()), NEWEST_SCHEMA);
    let users = done(machine, &["user", "list"]);
    assert!(["root", "ann", "cam"].iter().all(|name| users.contains(name)), "{users}");
}

/// Signs users in on a server, and reads what they wrote. `code` is the second factor of `cam`.
fn use_server(server: &TestServer, kept: &StoppedData, code: Option<String>, expect: &[&str]) {
    let _root = sign_in(server, "root");
    let ann = sign_in(server, "ann");
    assert_eq!(texts(server, &ann.token, &kept.room), expect);
    let body = json!({ "username": "cam", "password": PASSWORD, "totp": code });
    let answer = Request::post(server, "/auth/login", &body.to_string()).ask(server);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

/// Upgrades the directory of a schema, and restores it on another machine.
fn check(
    kept: &StoppedData,
    mut server: TestServer,
    machine: TestServer,
    earlier: u32,
) -> [TestServer; 2] {
    kept.put(&server.data(), earlier);
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    // As before an upgrade, the stopped server is backed up and the configuration checked.
    done(&server, &["backup", text(&at("before")), "--keys", text(&at("before-keys"))]);
    assert_eq!(manifest(&at("before"))["schema"], earlier);
    done(&server, &["check"]);
    assert_eq!(schema(&server.data()), earlier, "no command migrates");

    server = server.crash_and_restart();
    if has_sessions(earlier) {
        let renewed = refresh(&server, &kept.cookie);
        assert_eq!(renewed.status, 200, "schema {earlier}: a session continues");
    }
    // The code of the moment was used for the confirmation.
    let code = has_sessions(earlier).then(|| authenticator_code(&kept.factor.0, 1));
    use_server(&server, kept, code, &["text 1", "text 2", "text 3"]);
    let keys = done(&server, &["keys", "list"]);
    assert!(keys.contains(&kept.signing_key), "schema {earlier}: {keys}");
    let mut client = SioClient::connect(&server, &sign_in(&server, "ann").token);
    let answer = client.ask("chat:send", &json!({ "roomId": kept.room, "message": "later" }));
    assert_eq!(answer["seq"], 4, "schema {earlier}: {answer}");
    drop(client);
    let is_new = server.records.text().contains("log_truncated");
    assert!(!is_new, "schema {earlier}: the log continues");
    let key = verified(&server);
    done(&server, &["backup", text(&at("after")), "--keys", text(&at("after-keys"))]);
    assert_eq!(manifest(&at("after"))["schema"], NEWEST_SCHEMA);
    assert!(server.terminate().success());
    assert_eq!(schema(&server.data()), NEWEST_SCHEMA);
    let errors = server.records.errors();
    assert!(!errors.contains("panicked") && !errors.contains("\"ERROR\""), "{errors}");

    restore(&machine, &at("before"), &at("before-keys"));
    if has_chain(earlier) {
        assert_eq!(verified(&machine), key, "schema {earlier}");
    }
    restore(&machine, &at("after"), &at("after-keys"));
    let mut machine = machine.crash_and_restart();
    let code = has_sessions(earlier).then(|| kept.factor.1.clone());
    use_server(&machine, kept, code, &["text 1", "text 2", "text 3", "later"]);
    assert_eq!(verified(&machine), key, "schema {earlier}: the log goes on after its backup");
    assert!(machine.terminate().success());
    [server, machine]
}

fn check_each(schemas: impl Iterator<Item = u32>) {
    let (kept, mut server) = StoppedData::make();
    let mut machine = other_machine();
    for earlier in schemas {
        [server, machine] = check(&kept, server, machine, earlier);
    }
}

#[test]
fn directory_of_schema_1_to_3_is_upgraded_backed_up_and_restored() {
    check_each(1..=3);
}

#[test]
fn directory_of_schema_4_to_6_is_upgraded_backed_up_and_restored() {
    check_each(4..=6);
}

#[test]
fn directory_of_schema_7_to_9_is_upgraded_backed_up_and_restored() {
    check_each(7..=9);
}
