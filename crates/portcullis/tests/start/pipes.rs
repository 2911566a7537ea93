//! Readers that leave before a command has printed everything: `portcullis check | head -1`.
//! Never: a panic, or a fault reported for it.

use std::process::{Command, Stdio};

use crate::{StartedServer, command, text};

/// Standard output without a reader, from the first byte on.
fn closed_pipe() -> Stdio {
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = reader.stdin.take().unwrap();
    assert!(reader.wait().unwrap().success());
    Stdio::from(pipe)
}

#[test]
fn closed_pipe_is_not_an_error_of_any_command() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = StartedServer::new(directory.path());
    let private = server.line("listening private http://").unwrap().to_owned();
    for arguments in [
        &["check"][..],
        &["access"],
        &["user", "list"],
        &["user", "invite"],
        &["room", "list"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "reencrypt"],
        &["limits", "explain", "127.0.0.1"],
        &["limits", "unlock", "127.0.0.1"],
        &["state", "show"],
        &["--help"],
        &["--version"],
        &["user", "--help"],
    ] {
        let mut command = command(directory.path(), arguments);
        command.env("PORTCULLIS__LISTEN__PRIVATE", &private);
        command.env("PORTCULLIS__LISTEN__PUBLIC", "127.0.0.1:0");
        let output = command.stdout(closed_pipe()).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let response = text(&output.stderr);
        assert!(!response.contains("panicked"), "{arguments:?}: {response}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {response}");
        // Neither stream is read.
        let mut silent = crate::command(directory.path(), arguments);
        silent.env("PORTCULLIS__LISTEN__PRIVATE", &private).stdout(closed_pipe());
        let status = silent.stderr(closed_pipe()).status().unwrap();
        assert_ne!(status.code(), Some(101), "{arguments:?}: a panic");
    }
    // A fault keeps its exit code when the text is not read.
    let mut wrong = command(directory.path(), &["check", "--config", "none.toml"]);
    assert_eq!(wrong.stderr(closed_pipe()).status().unwrap().code(), Some(2));
    assert_eq!(server.stop(), Some(0));
}
