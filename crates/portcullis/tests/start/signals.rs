//! Signals that arrive while the server starts.
//! Never: a signal before the process catches it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use portcullis_test::until;

use crate::{StartedServer, command};

/// The configuration.
const FILE: &str = "portcullis.toml";

/// Whether a process catches a signal: its bit of the mask (proc(5)).
fn catches(id: u32, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// A server that waits in its start: its configuration is a pipe without a writer.
fn waiting_start(directory: &Path) -> StartedServer {
    assert!(Command::new("mkfifo").arg(directory.join(FILE)).status().unwrap().success());
    let child = command(directory, &["--config", FILE, "--listen", "127.0.0.1:0"])
        .env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0")
        .env("PORTCULLIS__AUDIT__STDOUT", "false")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    StartedServer { child, lines: Vec::new() }
}

/// Sends a signal as soon as the process catches it.
fn send(server: &StartedServer, name: &str, number: u32) {
    let id = server.child.id();
    until("the handler of the signal", || catches(id, number).then_some(()));
    assert!(Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap().success());
}

#[test]
fn reload_signal_during_the_start_ends_nothing_and_counts_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = waiting_start(directory.path());
    send(&server, "HUP", 1);
    let file = directory.path().join(FILE);
    let writer = File::options().write(true).open(&file).unwrap();
    // The reload reads a file.
    std::fs::write(directory.path().join("new"), "").unwrap();
    std::fs::rename(directory.path().join("new"), &file).unwrap();
    drop(writer);
    let mut lines = BufReader::new(server.child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("listening public ")));
    let log = directory.path().join("portcullis-data/security.log");
    until("the reload", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("\"sys_reload\"").then_some(())
    });
    assert_eq!(server.stop(), Some(0));
}

// The first process of a container gets no signal that it does not catch.
#[test]
fn stop_signal_during_the_start_ends_it_at_once() {
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = waiting_start(directory.path());
        send(&server, name, number);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{name}");
        assert!(!directory.path().join("portcullis-data").exists(), "{name}");
    }
}
