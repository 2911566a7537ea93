//! Verification and erasure of the security log, as an operator runs them.
//! Never: a key from the data directory; it is kept at the first start.

use std::path::{Path, PathBuf};

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
    let server = start(&uncompressed());
    let data = server.data();
    let log = data.join("security.log");
    let key = done(&server, &["audit", "key"], "");
    let ann = connect(&server, "ann", &log);
    let bob = connect(&server, "bob", &log);
    let (ann, bob) = (ann.as_str(), bob.as_str());
    let erase = ["audit", "erase", "--user", ann];
    let planned = server.operate(&erase, "");
    assert_eq!(planned.status.code(), Some(1), "nothing without --yes");
    assert!(std::fs::read_to_string(&log).unwrap().contains(ann));
    // The server closes its file at once.
    done(&server, &[&erase[..], &["--yes"]].concat(), "");
    let closed = closed_file(&data);
    let text = std::fs::read_to_string(&closed).unwrap();
    assert!(!text.contains(ann) && text.contains(bob));
    assert!(text.lines().last().unwrap().contains("log_checkpoint"), "a note ends the file");
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

fn uncompressed() -> Config {
    let mut config = Config::default();
    config.more.push_str("[audit]\ncompress = false\n");
    config
}

/// The only closed file of a log.
fn closed_file(data: &Path) -> PathBuf {
    let names = data.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let is_closed = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
            name.starts_with("security-") && name.contains('Z') && name.ends_with(".log")
        })
    };
    let closed: Vec<_> = names.filter(is_closed).collect();
    assert_eq!(closed.len(), 1, "{closed:?}");
    closed[0].clone()
}

// T-368
#[test]
fn t368_log_of_a_stopped_server_is_erased_and_continued() {
    let mut server = start(&uncompressed());
    let log = server.data().join("security.log");
    let key = done(&server, &["audit", "key"], "");
    let ann = connect(&server, "ann", &log);
    assert!(server.terminate().success());
    let erase = ["audit", "erase", "--user", &ann, "--yes"];
    done(&server, &erase, "");
    let closed = closed_file(&server.data());
    assert!(!log.exists() && !std::fs::read_to_string(&closed).unwrap().contains(&ann));
    let server = server.crash_and_restart();
    until("log_erased and a note after it", || {
        let text = std::fs::read_to_string(&log).unwrap();
        let is_recorded = text.contains("log_erased");
        assert!(!text.contains("log_truncated") && !text.contains("log_replaced"), "{text}");
        let (code, text) = verify(&server, &["--key", key.trim()]);
        assert!(!is_recorded || code == Some(0), "{text}");
        is_recorded.then_some(())
    });
}
