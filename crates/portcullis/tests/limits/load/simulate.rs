//! A trace of what limits counted, and what other limits make of it.
//! Never: a running server while it is tried out.

use std::path::PathBuf;
use std::process::Command;

use portcullis_test::{Config, Request, SioClient, TestServer, hs256, register};
use serde_json::json;

use crate::clients::start;

const PASSWORD: &str = "a portcullis of plain oak";

/// Runs `limits simulate` under the server's configuration and lines of `[rate]` beside it.
fn simulate(trace: &PathBuf, rates: &[(&str, &str)]) -> String {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["limits", "simulate"]).arg(trace).arg("--data").arg(data.path());
    command.current_dir(data.path());
    command.env("PORTCULLIS__PROFILE", "development");
    for (key, rate) in rates {
        command.env(format!("PORTCULLIS__RATE__{}", key.to_uppercase()), rate);
    }
    let output = command.output().unwrap();
    let reply = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{reply}");
    String::from_utf8(output.stdout).unwrap()
}

/// The two numbers of a limit: refused then, refused now.
fn refusals(reply: &str, limit: &str) -> Option<(u64, u64)> {
    let mut words = reply.lines().find(|line| line.starts_with(limit))?.split_whitespace().skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// What was tried on the server under attack.
fn attack(server: &TestServer) {
    let _registered = register(server, "ann", PASSWORD);
    for _ in 0..4 {
        let wrong = json!({ "username": "ann", "password": "not this one" }).to_string();
        let _refused = Request::post(server, "/auth/login", &wrong).ask(server);
    }
    for _ in 0..14 {
        let _answer = Request::upgrade(server, "/ws").ask(server);
    }
    for _ in 0..3 {
        let _page = Request::get(server, "/").ask(server);
    }
}

#[test]
fn simulation_repeats_decisions_and_reports_changes_by_other_limits() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("access.log");
    let mut config = Config::strict_rates();
    config.rate.push(String::from("message_per_user = \"20/60s\""));
    config.more.push_str(&format!("[audit]\naccess_file = {:?}\n", trace.display().to_string()));
    let mut server = start(&config);
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    for _ in 0..26 {
        let _answer = bob.ask("room:list", &json!({}));
    }
    drop(bob);
    attack(&server);
    assert!(server.terminate().success());

    let used = [("message_per_user", "20/60s"), ("connect_per_prefix", "10/60s")];
    let same = simulate(&trace, &used);
    assert!(same.contains("different decisions: 0\n"), "{same}");
    assert!(same.contains("lost lines: 0\n") && same.contains("unreadable lines: 0\n"), "{same}");
    let (then, now) = refusals(&same, "connect_per_prefix").unwrap();
    assert!(then == now && then >= 4, "bob's connection is refunded: {same}");
    let (then, now) = refusals(&same, "message_per_user").unwrap();
    assert!(then == now && then >= 5, "{same}");
    // No name and no password is in the trace.
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(!text.contains("\"ann\"") && !text.contains("not this one"));

    let wide = [("connect_per_prefix", "1000/60s"), ("message_per_user", "5/60s")];
    let reply = simulate(&trace, &wide);
    assert_eq!(refusals(&reply, "connect_per_prefix").map(|(_, now)| now), Some(0), "{reply}");
    let (then, now) = refusals(&reply, "message_per_user").unwrap();
    assert!(now >= then + 15, "{reply}");
    let suggested = reply.lines().find(|line| line.starts_with("request_per_prefix")).unwrap();
    assert!(suggested.trim_end().ends_with("s\""), "{suggested}");
}

#[test]
fn file_without_access_lines_is_rejected() {
    let server = start(&Config::default());
    let output = server.operate(&["limits", "simulate", "security.log"], "");
    assert_eq!(output.status.code(), Some(1));
    let log = server.data().join("security.log");
    let output = server.operate(&["limits", "simulate", log.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    let reply = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(reply.contains("audit.access_file"), "{reply}");
}
