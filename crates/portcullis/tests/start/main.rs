//! Starting and stopping the real binary: what it refuses, what it prints, how it ends.
//! Never: a fixed port, or a wait by sleeping.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod advisories; // advisories about what the binary contains
mod agreement; // configurations that `check` and `serve` reject alike
mod clock; // a clock that was set back before a start
mod init; // the first configuration of a server
mod shipped; // every configuration of the documentation and the examples
mod pipes; // readers that leave
mod signals; // signals during the start
mod supervised; // messages to a service manager
mod weakenings; // what is weaker than the defaults, and who names it

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PRODUCTION: &str = "profile = \"production\"\ntls = { mode = \"off\" }\n";

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server on free ports, killed when a test fails before it is stopped.
struct StartedServer {
    child: Child,
    lines: Vec<String>,
}

impl StartedServer {
    fn new(directory: &Path) -> Self {
        let mut child = command(directory, &["--listen", "127.0.0.1:0"])
            .env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0")
            .env("PORTCULLIS__AUDIT__STDOUT", "false")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let last = line.starts_with("listening public ");
            lines.push(line);
            if last {
                break;
            }
        }
        Self { child, lines }
    }

    /// The rest of the line that begins so.
    fn line(&self, start: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(start))
    }

    fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for StartedServer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

// T-011, T-035, T-270, T-271, T-273
#[test]
fn invalid_configuration_exits_with_code_2_and_changes_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("weak.key"), "changeme").unwrap();
    std::fs::set_permissions(path.join("weak.key"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(path.join("open.key"), "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o").unwrap();
    std::fs::set_permissions(path.join("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let origin = |origin: &str| format!("{PRODUCTION}origin = {{ allowed = [{origin}] }}\n");
    let issuer = |file: &str| {
        format!(
            "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"portcullis\"\n\
             algorithm = \"HS256\"\nsecret_file = \"{file}\"\n"
        )
    };
    let cases = [
        (origin(""), "no page could connect"),
        (origin("\"*\""), "a pattern"),
        (origin("\"null\""), "sandboxed"),
        (origin("\"http://localhost:3000\""), "without TLS"),
        (issuer("weak.key"), "fewer than 32 bytes"),
        (issuer("open.key"), "chmod 600"),
        (String::from("listen = { public = \"0.0.0.0:0\" }"), "this machine only"),
        (
            format!("{}listen = {{ public = \"0.0.0.0:0\" }}", origin("\"https://a.example\"")),
            "without TLS",
        ),
        (String::from("[orgins]\n"), "did you mean `origin`?"),
        (
            String::from(
                "profile = \"production\"\norigin = { allowed = [\"https://a.example\"] }\n\
                 tls = { certificate_file = \"none.pem\", key_file = \"open.key\" }",
            ),
            "none.pem",
        ),
    ];
    for (configuration, expect) in cases {
        std::fs::write(path.join("portcullis.toml"), &configuration).unwrap();
        for arguments in [&["check"][..], &["serve"], &[]] {
            let output = run(path, arguments);
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{configuration} {error}");
            assert!(error.contains(expect), "{configuration} {error}");
            assert!(!path.join("portcullis-data").exists(), "{configuration}");
        }
    }
    assert_eq!(run(path, &["--config", "none.toml"]).status.code(), Some(2));
    assert_eq!(run(path, &["--profile", "prod"]).status.code(), Some(2));
}

#[test]
fn check_prints_a_file_that_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let first = run(directory.path(), &["check"]);
    assert!(first.status.success());
    std::fs::write(directory.path().join("portcullis.toml"), &first.stdout).unwrap();
    let second = run(directory.path(), &["check", "--config", "portcullis.toml"]);
    assert_eq!(text(&second.stdout), text(&first.stdout));
    assert!(!directory.path().join("portcullis-data").exists());
}

#[test]
fn start_prints_the_next_steps_and_sigterm_ends_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("portcullis-data");
    let mut first = StartedServer::new(directory.path());
    let page = first.line("listening public https://127.0.0.1:").expect("a public address");
    let link = first.line("set-up link https://127.0.0.1:").expect("a set-up link");
    assert!(link.starts_with(&format!("{page}/#setup=")) && link.len() > page.len() + 40, "{link}");
    assert!(first.line("listening private http://127.0.0.1:").is_some());
    assert_eq!(first.line("certificate authority "), Some("portcullis-data/ca.pem"));
    let authority = std::fs::read(data.join("ca.pem")).unwrap();
    for (name, mode) in [("", 0o700), ("ca.key", 0o600), ("tls.key", 0o600)] {
        let facts = std::fs::metadata(data.join(name)).unwrap();
        assert_eq!(facts.permissions().mode() & 0o777, mode, "{name}");
    }

    // The same data, and the same port, belong to one server at a time.
    let address = format!("127.0.0.1:{page}");
    for (arguments, expect) in [
        (&["--listen", "127.0.0.1:0"][..], "in use by another server"),
        (&["--listen", &address, "--data", "other"], "cannot listen on"),
    ] {
        let mut second = command(directory.path(), arguments);
        let output = second.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(expect), "{}", text(&output.stderr));
    }

    assert_eq!(first.stop(), Some(0));
    let mut again = StartedServer::new(directory.path());
    assert!(std::fs::read(data.join("ca.pem")).unwrap() == authority, "clients trust it already");
    assert_eq!(again.stop(), Some(0));
}
