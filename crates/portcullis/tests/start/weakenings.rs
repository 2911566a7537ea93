//! Weakenings: `check` lists each, a start logs each, and the security log has a record of each.
//! Never: a weakening that only one of them names.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{command, text};

const PRODUCTION: &str = include_str!("weakened/production.toml");
const STRICT: &str = include_str!("weakened/strict.toml");

/// On free ports, with an issuer whose secret is in the environment where that is accepted.
fn prepared(directory: &Path, verb: &str, profile: &str) -> Command {
    let mut command = command(directory, &[verb, "--listen", "127.0.0.1:0"]);
    command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0");
    if profile == "production" {
        for (key, value) in [
            ("ISSUER", "https://other.example"),
            ("AUDIENCE", "portcullis"),
            ("ALGORITHM", "HS256"),
            ("SECRET", "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o"),
        ] {
            command.env(format!("PORTCULLIS__TOKEN__ISSUER__1__{key}"), value);
        }
    }
    command
}

/// A server that is killed when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Starts a server, stops it, and gives its operational log as `key: text` lines.
fn logged(directory: &Path, profile: &str) -> Vec<String> {
    let log = directory.join("log");
    let mut command = prepared(directory, "serve", profile);
    command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
    let mut server = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let is_up = |line: std::io::Result<String>| line.unwrap().starts_with("listening public ");
    let is_up = lines.any(is_up);
    let operational = || std::fs::read_to_string(&log).unwrap();
    assert!(is_up, "{}", operational());
    let id = server.0.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert!(server.0.wait().unwrap().success(), "{}", operational());
    let entries = operational();
    let entries = entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let entries = entries.filter_map(|entry| {
        let fields = entry.get("fields")?;
        let response = fields.get("danger").or(fields.get("message"))?;
        Some(format!("{}: {}", fields.get("key")?.as_str()?, response.as_str()?))
    });
    entries.collect()
}

/// What `check` lists: warnings, and what `[danger]` weakens.
fn listed(directory: &Path, profile: &str) -> Vec<String> {
    let output = prepared(directory, "check", profile).output().unwrap();
    let (printed, warnings) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{warnings}");
    let dangers = printed.lines().filter_map(|line| line.strip_prefix("# danger: "));
    let warnings = warnings.lines().filter_map(|line| line.strip_prefix("warning: "));
    warnings.chain(dangers).map(String::from).collect()
}

/// The records of a start, as `key: text` lines.
fn recorded(directory: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(directory.join("portcullis-data/security.log")).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_weakenings = |record: &Value| {
        let rule = record.pointer("/rule/name")?;
        let is_one = rule == "weakened" || rule == "danger";
        is_one.then(|| String::from(record.get("message").unwrap().as_str().unwrap()))
    };
    records.filter_map(|record| of_weakenings(&record)).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn check_and_start_and_security_log_name_the_same_weakenings() {
    for (profile, configuration, at_least) in
        [("production", PRODUCTION, 90), ("strict", STRICT, 6)]
    {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("portcullis.toml"), configuration).unwrap();
        let listed = sorted(listed(directory.path(), profile));
        assert!(listed.len() >= at_least, "{listed:#?}");
        let logged = sorted(logged(directory.path(), profile));
        assert_eq!(listed, logged, "{profile}");
        if profile == "production" {
            let recorded = sorted(recorded(directory.path()));
            // What this machine lacks is a warning, and weakens nothing.
            let of_machine = |line: &String| line.contains("this process may open");
            let mut listed = listed;
            listed.retain(|line| !of_machine(line));
            assert_eq!(listed, recorded);
        }
    }
}
