//! `portcullis audit` beside a running server: what it prints of the log.
//! Never: a command that needs the server.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use portcullis_test::{Config, Request, TestServer, until};
use serde_json::Value;

use crate::{done, start};

/// Causes a record of `malicious_excess_404`, and returns its reference.
fn request_missing(server: &TestServer, path: &str) -> String {
    let answer = Request::get(server, path).ask(server);
    assert_eq!(answer.status, 404);
    String::from(answer.json()["ref"].as_str().unwrap())
}

fn log(server: &TestServer) -> PathBuf {
    server.data().join("security.log")
}

fn text(server: &TestServer) -> String {
    std::fs::read_to_string(log(server)).unwrap()
}

/// Waits until the log has the record of a reference.
fn wait_for(server: &TestServer, reference: &str) {
    until("the record", || text(server).contains(reference).then_some(()));
}

fn search(server: &TestServer, conditions: &[&str]) -> String {
    done(server, &[&["audit", "search"], conditions].concat(), "")
}

// T-379
#[test]
fn t379_search_prints_the_lines_that_grep_finds() {
    let server = start(&Config::default());
    let first = request_missing(&server, "/one");
    wait_for(&server, &first);
    // The first lines are in another file, which `logrotate` has renamed.
    let closed = server.data().join("security.log.1");
    std::fs::rename(log(&server), closed.clone()).unwrap();
    until("the new file", || log(&server).exists().then_some(()));
    let second = request_missing(&server, "/two");
    wait_for(&server, &second);
    let all = std::fs::read_to_string(closed).unwrap() + &text(&server);
    let grep =
        |part: &str| -> Vec<&str> { all.lines().filter(|line| line.contains(part)).collect() };
    let found = |conditions: &[&str]| search(&server, &[conditions, &["--json"]].concat());
    assert_eq!(found(&["--ref", &first]).trim_end(), grep(&first)[0]);
    let by_code = found(&["--code", "malicious_excess_404"]);
    assert_eq!(by_code.lines().collect::<Vec<_>>(), grep("\"malicious_excess_404\""));
    assert_eq!(found(&["--address", "127.0.0.0/8", "--rule", "not_found"]), by_code);
    assert_eq!(found(&["--since", "1h", "--ref", &second]).lines().count(), 1);
    for nothing in [
        &["--address", "10.0.0.0/8"][..],
        &["--until", "2020-01-01"],
        &["--user", "malicious_excess_404"],
        &["--ref", &first, "--code", "authn_login_fail"],
    ] {
        assert_eq!(found(nothing), "", "{nothing:?}");
    }
    let counted = search(&server, &["--count-by", "code", "--code", "malicious_excess_404"]);
    assert_eq!(counted, "         2  malicious_excess_404\n");
    let explained = done(&server, &["audit", "ref", &first], "");
    assert_eq!(explained, done(&server, &["why", &first], ""));
}

#[test]
fn damaged_file_hides_no_other_file() {
    let server = start(&Config::default());
    let reference = request_missing(&server, "/one");
    wait_for(&server, &reference);
    std::fs::write(server.data().join("security.log.2.gz"), "not compressed").unwrap();
    let output = server.operate(&["audit", "search", "--ref", &reference], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains(&reference));
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("security.log.2.gz cannot be read to its end"), "{warning}");
}

#[test]
fn search_prints_a_readable_line_and_rejects_unknown_names() {
    let server = start(&Config::default());
    let reference = request_missing(&server, "/one");
    wait_for(&server, &reference);
    let line = search(&server, &["--ref", &reference]);
    let expect = "warning   malicious_excess_404  rule=not_found";
    assert!(line.contains(expect), "{line}");
    for part in ["address=127.0.0.1", "method=GET", "path=/one", &reference] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let output = server.operate(&["audit", "search", "--code", "nothing"], "");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn tail_prints_the_newest_records_and_follows_across_rotation() {
    let server = start(&Config::default());
    let first = request_missing(&server, "/one");
    wait_for(&server, &first);
    let newest = done(&server, &["audit", "tail", "-n", "1", "--json"], "");
    assert_eq!(newest.trim_end(), text(&server).lines().last().unwrap());
    let mut tail = server.begin(&["audit", "tail", "-f", "-n", "1", "--json"]);
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), newest.trim_end());
    let mut last = 0;
    for round in 0..3 {
        let reference = request_missing(&server, &format!("/round-{round}"));
        for line in &mut lines {
            let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let sequence = record["event"]["sequence"].as_u64().unwrap();
            assert!(last == 0 || sequence == last + 1, "{last} and then {sequence}");
            last = sequence;
            if record["trace"]["id"] == *reference {
                break;
            }
        }
        let closed = server.data().join(format!("security.log.{}", 3 - round));
        std::fs::rename(log(&server), closed).unwrap();
        until("the new file", || log(&server).exists().then_some(()));
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn inventory_lists_every_log_and_every_name() {
    let server = start(&Config::default());
    let printed = done(&server, &["audit", "inventory"], "");
    for part in ["security.log", "operational log", "ECS 8.11", "90 days and 2048 MiB"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    let json: Value =
        serde_json::from_str(&done(&server, &["audit", "inventory", "--json"], "")).unwrap();
    let records = json["records"].as_array().unwrap();
    let documented = include_str!("../../../../../docs/records.md");
    for record in records {
        let name = record["code"].as_str().unwrap();
        assert!(documented.contains(&format!("| `{name}` |")) && printed.contains(name), "{name}");
    }
}

// T-378
#[test]
fn t378_export_has_every_record_in_each_format() {
    let server = start(&Config::default());
    let reference = request_missing(&server, "/a=b");
    wait_for(&server, &reference);
    let export =
        |arguments: &[&str]| done(&server, &[&["audit", "export"], arguments].concat(), "");
    // The server may write further records meanwhile.
    let count = text(&server).lines().count();
    let of_log = |printed: &str| printed.lines().take(count).collect::<Vec<_>>().join("\n");
    let ecs = export(&["--format", "ecs"]);
    assert!(text(&server).starts_with(&of_log(&ecs)));
    for line in export(&["--format", "ocsf"]).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["class_uid"].is_u64() && event["metadata"]["version"] == "1.3.0", "{event}");
    }
    let cef = export(&["--format", "cef"]);
    assert!(cef.lines().count() >= count);
    assert!(cef.lines().all(|line| line.starts_with("CEF:0|Portcullis|portcullis|")), "{cef}");
    assert!(cef.contains("request=/a\\=b ") && cef.contains("src=127.0.0.1 "), "{cef}");
    for format in ["ecs", "ocsf", "cef"] {
        let printed = export(&["--format", format, "--without-personal"]);
        assert!(printed.lines().count() >= count);
        let line = printed.lines().find(|line| line.contains(&reference)).unwrap();
        assert!(!line.contains("127.0.0.1") && !line.contains("/a"), "{line}");
        assert_eq!(export(&["--format", format, "--until", "2020-01-01"]), "");
    }
}
