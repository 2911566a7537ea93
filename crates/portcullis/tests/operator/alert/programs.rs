//! Channels that run a program: what it gets, and the end of all that it starts.
//! Never: a process that is left behind by a test.

use std::path::Path;

use portcullis_test::{TestServer, until};
use serde_json::{Value, json};

use crate::alert::alerts::guess;
use crate::alert::channels::config;
use crate::start;

/// A channel that runs a script of a shell; `$0` is the path of the file that it writes.
fn channel(name: &str, script: &str, out: &Path) -> String {
    let command = ["/bin/sh", "-c", script, out.to_str().unwrap(), "; $(touch x) `id`"];
    format!("[[alert.channel]]\nname = {name:?}\nkind = \"command\"\ncommand = {command:?}\n")
}

/// The result of `alert test`, without the name of the channel.
fn test(script: &str, out: &Path) -> String {
    let server = start(&config(&[channel("script", script, out)]));
    let output = server.operate(&["alert", "test"], "");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.strip_prefix("script: ").unwrap().trim_end().to_owned()
}

/// Starts a server whose channel runs the script for an alert, and waits for its file.
fn server_with_program(script: &str, out: &Path) -> (TestServer, String) {
    let server = start(&config(&[channel("script", script, out)]));
    guess(&server, "ann", 12);
    let text = until("the program", || std::fs::read_to_string(out).ok());
    (server, text)
}

fn wait_for_end(process: &str) {
    let state = format!("/proc/{}/stat", process.trim());
    until("the end of the process", || {
        let is_running = std::fs::read_to_string(&state).is_ok_and(|state| !state.contains(") Z "));
        (!is_running).then_some(())
    });
}

#[test]
fn t402_program_gets_the_alert_and_literal_arguments() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let script = "cat > \"$0.new\"; printf %s \"$1\" >> \"$0.new\"; mv \"$0.new\" \"$0\"";
    let (_server, text) = server_with_program(script, &out);
    let json = text.strip_suffix("; $(touch x) `id`").unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["type"], &json["data"]["rule"]), (&json!("alert.firing"), &json!("A2")));
}

#[test]
fn t402_environment_of_a_program_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let script = "tr '\\0' '\\n' < /proc/$$/environ > \"$0\"; pwd >> \"$0\"";
    assert_eq!(test(script, &out), "delivered");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "/\n");
}

#[test]
fn t402_exit_code_of_a_program_decides() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    for (script, expect) in [
        ("exit 0", "delivered"),
        ("exit 3", "failed: the program ended with exit status: 3"),
        ("kill -9 $$", "failed: the program ended with signal: 9 (SIGKILL)"),
    ] {
        assert_eq!(test(script, &out), expect);
    }
}

#[test]
fn t402_program_that_hangs_is_killed_after_ten_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("child");
    let printed = test("sleep 100 & echo $! > \"$0\"; wait", &out);
    assert_eq!(printed, "failed: the program took longer than 10s and was killed");
    wait_for_end(&std::fs::read_to_string(&out).unwrap());
}

#[test]
fn t402_children_that_outlive_a_program_are_killed_in_any_session() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("child");
    // Each waits until the child has written its number, so that it has left the group by then.
    let wait = "until [ -s \"$0\" ]; do sleep 0.01; done";
    for start in [
        "sleep 100 & echo $! > \"$0\"",
        "setsid sh -c 'echo $$ > \"$0\"; exec sleep 100' \"$0\" &",
        "(setsid sh -c 'echo $$ > \"$0\"; exec sleep 100' \"$0\" &) &",
        "setsid sh -c 'setsid sh -c \"echo \\$\\$ > \\$0; exec sleep 100\" \"$0\" & exit' \
         \"$0\" &",
    ] {
        let _none = std::fs::remove_file(&out);
        assert_eq!(test(&format!("{start}\n{wait}"), &out), "delivered", "{start}");
        wait_for_end(&std::fs::read_to_string(&out).unwrap());
    }
}

#[test]
fn t402_program_in_a_session_of_its_own_ends_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let script = "setsid sh -c 'echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 100' \
                  \"$0\" &\nwait";
    let (mut stopped, child) = server_with_program(script, &directory.path().join("stopped"));
    assert!(stopped.terminate().success());
    wait_for_end(&child);
    // Also when it is killed and can end nothing itself.
    let (server, child) = server_with_program(script, &directory.path().join("killed"));
    drop(server);
    wait_for_end(&child);
}

#[test]
fn t402_two_programs_run_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let script = "echo + >> \"$0\"; sleep 0.3; echo - >> \"$0\"";
    let channels = ["a", "b", "c", "d"].map(|name| channel(name, script, &out));
    let server = start(&config(&channels));
    guess(&server, "ann", 12);
    let text = until("four programs", || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        (text.matches('-').count() == 4).then_some(text)
    });
    let (mut running, mut most) = (0, 0);
    for line in text.lines() {
        running += if line == "+" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 2), "{text}");
}
