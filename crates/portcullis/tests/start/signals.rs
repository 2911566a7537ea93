//! Signals that arrive while the server starts.
//! Never: a signal before the process catches it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use portcullis_test::until;

use crate::{StartedServer, command};

/// Whether a process catches SIGHUP: the lowest bit of its mask (proc(5)).
fn catches_hang_up(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|it| it & 1 == 1)
}

#[test]
fn reload_signal_during_the_start_ends_nothing_and_counts_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = command(directory.path(), &["--listen", "127.0.0.1:0"])
        .env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0")
        .env("PORTCULLIS__AUDIT__STDOUT", "false")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = child.id();
    let output = child.stdout.take().unwrap();
    let mut server = StartedServer { child, lines: Vec::new() };
    until("the handler of the signal", || catches_hang_up(id).then_some(()));
    assert!(!directory.path().join("portcullis-data/portcullis.db").exists(), "it starts");
    let sent = Command::new("kill").args(["-s", "HUP", &id.to_string()]).status().unwrap();
    assert!(sent.success());
    let mut lines = BufReader::new(output).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("listening public ")));
    let log = directory.path().join("portcullis-data/security.log");
    until("the reload", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("\"sys_reload\"").then_some(())
    });
    assert_eq!(server.stop(), Some(0));
}
