//! Verification and erasure of the security log, as an operator runs them.
//! Never: a key from the data directory; it is kept at the first start.

use std::path::Path;

use portcullis_test::{Config, SioClient, TestServer, hs256, until};

use crate::{done, start};

/// Runs `audit verify`; returns its exit code and its output.
fn verify(server: &TestServer, arguments: &[&str]) -> (Option<i32>, String) {
    let output = server.operate(&[&["audit", "verify"], arguments].concat(), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Opens and ends a connection of a user; returns the id in its records.
fn connect(server: &TestServer, user: &str, log: &Path) -> String {
    let ids = || -> Vec<String> {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let records = text.lines().filter(|line| line.contains("\"ws_disconnected\""));
        records.map(|line| user_id(line).unwrap()).collect()
    };
    let before = ids().len();
    drop(SioClient::connect(server, &hs256(user)));
    until("the connection is recorded", || ids().get(before).cloned())
}

fn user_id(line: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    record["user"]["id"].as_str().map(String::from)
}

// T-168
#[test]
fn t168_verification_finds_what_another_program_changed() {
    let server = start(&Config::default());
    let log = server.data().join("security.log");
    let key = done(&server, &["audit", "key"], "");
    let key = key.trim();
    connect(&server, "ann", &log);
    let (code, text) = verify(&server, &["--key", key, "--now"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(verify(&server, &[]).0, Some(4), "without a key");
    let foreign = start(&Config::default());
    let foreign = done(&foreign, &["audit", "key"], "");
    assert_eq!(verify(&server, &["--key", foreign.trim()]).0, Some(4), "the key of another log");

    let mut server = server.crash_and_restart();
    assert!(server.terminate().success());
    let (code, text) = verify(&server, &["--key", key]);
    assert_eq!(code, Some(0), "{text}");
    let original = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = original.lines().collect();
    let at = lines.iter().position(|line| line.contains("ws_connected")).unwrap();
    let changed = [
        ("edited", original.replace("ws_connected", "ws_connectad")),
        ("missing", [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n"),
        ("inserted", [&lines[..=at], &lines[at..]].concat().join("\n") + "\n"),
    ];
    for (kind, text) in changed {
        std::fs::write(&log, text).unwrap();
        let (code, text) = verify(&server, &["--key", key]);
        assert_eq!(code, Some(3), "{text}");
        let expect = format!("found     {kind}: line {}", at + 1);
        assert!(text.contains(&expect), "{expect}: {text}");
    }
}

// T-363
#[test]
fn t363_note_that_was_kept_elsewhere_proves_that_lines_are_missing() {
    let mut server = start(&Config::default());
    let log = server.data().join("security.log");
    let key = done(&server, &["audit", "key"], "");
    connect(&server, "ann", &log);
    assert!(server.terminate().success());
    let text = std::fs::read_to_string(&log).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let note = last["labels"]["note"].as_str().unwrap();
    let file = server.data().join("note.txt");
    std::fs::write(&file, note).unwrap();
    let with_note = ["--key", key.trim(), "--note", file.to_str().unwrap()];
    assert_eq!(verify(&server, &with_note).0, Some(0));
    let count = text.lines().count();
    let shorter: String = text.lines().take(count - 4).map(|line| format!("{line}\n")).collect();
    std::fs::write(&log, shorter).unwrap();
    let (code, text) = verify(&server, &with_note);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains(&format!("truncated: line {} and 2 more", count - 3)), "{text}");
}

// T-368
#[test]
fn t368_erased_user_is_gone_and_the_log_stays_sound() {
    let server = start(&Config::default());
    let data = server.data();
    let log = data.join("security.log");
    let key = done(&server, &["audit", "key"], "");
    let ann = connect(&server, "ann", &log);
    let bob = connect(&server, "bob", &log);
    let (ann, bob) = (ann.as_str(), bob.as_str());
    let closed = data.join("security-20260101T000000Z-1.log");
    std::fs::rename(&log, &closed).unwrap();
    server.signal("HUP");
    until("a new file", || log.exists().then_some(()));
    let erase = ["audit", "erase", "--user", ann];
    let planned = server.operate(&erase, "");
    assert_eq!(planned.status.code(), Some(1), "nothing without --yes");
    assert!(std::fs::read_to_string(&closed).unwrap().contains(ann));
    done(&server, &[&erase[..], &["--yes"]].concat(), "");
    let text = std::fs::read_to_string(&closed).unwrap();
    assert!(!text.contains(ann) && text.contains(bob));
    until("log_erased and a note after it", || {
        // Read first: the record may be written while the log is verified.
        let is_recorded = std::fs::read_to_string(&log).unwrap().contains("log_erased");
        let (code, text) = verify(&server, &["--key", key.trim()]);
        assert!(!is_recorded || code == Some(0), "{text}");
        is_recorded.then_some(())
    });
    let records = std::fs::read_to_string(&log).unwrap();
    assert!(!records.contains(ann), "no record says who: {records}");
}
