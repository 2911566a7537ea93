//! What a backup has, and what a server has that was restored from it.
//! Never: a session, token or key that signs, of before the restore.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_test::{Request, SioClient, TestServer, set_up, sign_in, until};
use serde_json::json;

use crate::{
    Sender, done, files, manifest, names, other_machine, refresh, refresh_cookie, rejected, start,
    text, texts,
};

/// Names of files that may be in no backup of data.
const SECRET: [&str; 6] = [
    "field-keys.ring",
    "sessions.secret",
    "token-signing.ring",
    "security-log.key",
    "audit-chain.state",
    "tls.key",
];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn backup_age_s(server: &TestServer) -> i64 {
    let answer = Request::get(server, "/metrics").ask_private(server);
    let metrics = String::from_utf8(answer.body).unwrap();
    let line = metrics.lines().find(|line| line.starts_with("portcullis_backup_age_seconds "));
    line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

// T-428
#[test]
fn t428_running_server_is_restored_on_another_machine_without_its_sessions() {
    let server = start();
    let key = done(&server, &["audit", "key"]);
    let mut sender = Sender::new(&server);
    let cookie = refresh_cookie(&server);
    sender.send_until(20);
    assert_eq!(backup_age_s(&server), -1, "none yet");

    // Messages go on while the backup runs.
    let place = tempfile::tempdir().unwrap();
    let (backup, keys) = (place.path().join("backup"), place.path().join("keys"));
    let mark = server.records.mark();
    let mut command = server.begin(&["backup", text(&backup), "--keys", text(&keys)]);
    while command.try_wait().unwrap().is_none() {
        let sent = sender.sent;
        sender.send_until(sent + 1);
    }
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("checked") && printed.contains("apart"), "{printed}");

    // The server records it, and measures its age; nothing is left of the copy.
    let record =
        server.records.wait_after(mark, |record| record["event"]["code"] == "backup_created");
    assert_eq!(record["log"]["level"], "info", "{record}");
    assert!((0..60).contains(&backup_age_s(&server)));
    assert!(!server.data().join("backup-staging").exists());

    assert_eq!(names(place.path()), ["backup", "keys"]);
    for directory in [&backup, &keys] {
        assert_eq!(mode(directory), 0o700);
        assert!(files(directory).iter().all(|file| mode(file) == 0o600));
    }
    let of_data = names(&backup);
    assert!(of_data.contains(&String::from("portcullis.toml")), "{of_data:?}");
    assert!(SECRET.iter().all(|name| !of_data.contains(&String::from(*name))), "{of_data:?}");
    let of_keys = names(&keys);
    for name in ["token-signing.ring", "sessions.secret"] {
        assert!(!of_keys.contains(&String::from(name)), "a thief could sign in: {of_keys:?}");
    }
    assert!(of_keys.contains(&String::from("field-keys.ring")), "{of_keys:?}");
    assert_eq!(manifest(&keys)["field_keys"], manifest(&backup)["field_keys"]);

    let machine = other_machine();
    let restore = ["restore", text(&backup), "--keys", text(&keys)];
    let printed = done(&machine, &restore);
    assert!(printed.contains("every user logs in again"), "{printed}");
    assert_eq!(mode(&machine.data()), 0o700);
    let verify = ["audit", "verify", "--key", key.trim()];
    assert!(done(&machine, &verify).contains("sound"), "before the first start");

    let machine = machine.crash_and_restart();
    let record = machine.records.wait_for(|record| record["event"]["code"] == "backup_restored");
    assert_eq!(record["log"]["level"], "warning", "{record}");
    let (token, room) = (sender.token.clone(), sender.room.clone());
    let old = json!({ "token": token }).to_string();
    assert!(SioClient::open(&machine).join_namespace("/", &old).is_err(), "an old access token");
    assert_eq!(refresh(&machine, &cookie).status, 401, "an old refresh token");
    let fresh = sign_in(&machine, "ann").token;
    let restored = texts(&machine, &fresh, &room);
    let last = restored.last().and_then(|text| text.strip_prefix("text "));
    let last: u32 = last.unwrap().parse().unwrap();
    assert!((20..=sender.sent).contains(&last), "{last}");
    let mut client = SioClient::connect(&machine, &fresh);
    let answer = client.ask("chat:send", &json!({ "roomId": room, "message": "after" }));
    assert_eq!(answer["seq"], last + 1, "every message up to it: {answer}");
    until("the log with its record", || {
        let log = std::fs::read_to_string(machine.data().join("security.log")).unwrap();
        log.contains("backup_restored").then_some(())
    });
    assert!(done(&machine, &verify).contains("sound"), "the log continues");
}

#[test]
fn stopped_server_is_restored_in_place_and_keeps_replaced_files() {
    let mut server = start();
    let key = done(&server, &["audit", "key"]);
    let mut sender = Sender::new(&server);
    sender.send_until(3);
    let room = sender.room.clone();
    drop(sender);
    assert!(server.terminate().success());
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let printed = done(&server, &["backup", text(&backup)]);
    assert!(printed.contains("you need field-keys.ring with the keys"), "{printed}");

    // Another message, and a damaged database.
    let mut server = server.crash_and_restart();
    let token = sign_in(&server, "ann").token;
    let mut client = SioClient::connect(&server, &token);
    let answer = client.ask("chat:send", &json!({ "roomId": room, "message": "later" }));
    assert_eq!(answer["seq"], 4);
    drop(client);
    let error = rejected(&server, &["restore", text(&backup), "--replace"]);
    assert!(error.contains("in use by another server"), "{error}");
    assert!(server.terminate().success());
    std::fs::write(server.data().join("portcullis.db"), "letters").unwrap();
    let error = rejected(&server, &["restore", text(&backup)]);
    assert!(error.contains("is not empty") && error.contains("--replace"), "{error}");

    let printed = done(&server, &["restore", text(&backup), "--replace"]);
    assert!(printed.contains("security log, which continues"), "{printed}");
    let aside = names(&server.data());
    let aside = aside.iter().find(|name| name.starts_with("before-restore-")).unwrap();
    let aside = server.data().join(aside);
    assert_eq!(std::fs::read_to_string(aside.join("portcullis.db")).unwrap(), "letters");
    assert!(aside.join("sessions.secret").exists() && aside.join("token-signing.ring").exists());
    let server = server.crash_and_restart();
    let token = sign_in(&server, "ann").token;
    assert_eq!(texts(&server, &token, &room), ["text 1", "text 2", "text 3"]);
    let _record = server.records.wait_for(|record| record["event"]["code"] == "backup_restored");
    assert!(done(&server, &["audit", "verify", "--key", key.trim()]).contains("sound"));
}

/// Makes the state of a restore that was killed after it had moved all files.
fn interrupt(data: &Path, backup: &Path) {
    let aside = names(data).into_iter().find(|name| name.starts_with("before-restore-"));
    let aside = data.join(aside.unwrap());
    let replaced = |name: &str| json!({ "place": data.join(name), "aside": aside.join(name) });
    let files: Vec<_> = names(&aside).iter().map(|name| replaced(name)).collect();
    let mark = json!({ "note": "A restore has not ended.", "folder": aside, "files": files });
    std::fs::copy(backup.join("portcullis.db"), data.join("portcullis.db")).unwrap();
    std::fs::write(data.join("restore.unfinished"), mark.to_string()).unwrap();
}

// T-428
#[test]
fn t428_deleted_account_stays_deleted_when_a_backup_is_restored_in_place() {
    let mut server = start();
    let _root = set_up(&server, "root");
    let sender = Sender::new(&server);
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    done(&server, &["backup", text(&backup)]);
    drop(sender);
    done(&server, &["user", "delete", "ann"]);
    assert!(server.terminate().success());
    let restore = ["restore", text(&backup), "--replace"];
    done(&server, &restore);
    interrupt(&server.data(), &backup);
    let error = rejected(&server, &["user", "list"]);
    assert!(error.contains("did not end: run portcullis restore again"), "{error}");
    let error = rejected(&server, &["backup", text(&place.path().join("another"))]);
    assert!(error.contains("did not end: run portcullis restore again"), "{error}");
    assert!(done(&server, &restore).contains("undone    an interrupted restore"));
    let users = done(&server, &["user", "list"]);
    assert!(users.contains("root") && !users.contains("ann"), "{users}");
    let server = server.crash_and_restart();
    let login = portcullis_test::login(&server, "ann", "a plain long sentence of my own");
    assert_eq!(login.status, 401);
    let is_deletion = |record: &serde_json::Value| {
        let message = record["message"].as_str().unwrap_or_default();
        message.starts_with("user deleted, 1 room deleted")
    };
    let _recorded = server.records.wait_for(is_deletion);
}

#[test]
fn newest_backups_of_a_directory_are_kept() {
    let server = start();
    let place = tempfile::tempdir().unwrap();
    let into = place.path();
    // Names have the time in seconds, so the older ones are made by hand.
    done(&server, &["backup", "--into", text(into), "--keep", "2"]);
    let first = names(into).remove(0);
    assert!(first.starts_with("portcullis-2"), "{first}");
    for day in ["1", "2"] {
        let (from, to) = (into.join(&first), into.join(format!("portcullis-200{day}")));
        let copied = std::process::Command::new("cp").arg("-a").arg(&from).arg(&to).status();
        assert!(copied.unwrap().success());
        let path = to.join("manifest.json");
        let mut manifest = manifest(&to);
        manifest["time"] = json!(format!("200{day}-01-01T00:00:00Z"));
        std::fs::write(path, manifest.to_string()).unwrap();
    }
    std::fs::write(into.join("notes.txt"), "of the operator").unwrap();
    std::fs::remove_dir_all(into.join(&first)).unwrap();
    let printed = done(&server, &["backup", "--into", text(into), "--keep", "2"]);
    assert!(printed.contains("deleted   ") && printed.contains("portcullis-2001"), "{printed}");
    let left = names(into);
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!((left[0].as_str(), left[1].as_str()), ("notes.txt", "portcullis-2002"));
}
