//! `portcullis init`: the file that it writes passes `check`, and every fault is explained.
//! Never: a question without a terminal.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::agreement::write_certificate;
use crate::{command, run, text};

const NAME: [&str; 2] = ["--domain", "chat.example"];
const FILES: [&str; 4] = ["--certificate", "good.pem", "--key", "good.key"];
const ISSUER: [&str; 4] = ["--issuer", "https://id.example", "--audience", "portcullis"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path(), "good", "chat.example", (2020, 2120));
    write_certificate(folder.path(), "other", "other.example", (2020, 2120));
    folder
}

fn init(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, &[&["init"], arguments].concat())
}

/// Checks the file that was written, on free ports.
fn check(folder: &Path, place: &str) -> String {
    let mut check = command(folder, &["check", "--listen", "127.0.0.1:0"]);
    let file = std::fs::read_to_string(folder.join("portcullis.toml")).unwrap();
    if file.contains("\nredirect = \"[::]:80\"\n") {
        check.env("PORTCULLIS__LISTEN__REDIRECT", "127.0.0.1:0");
    }
    let output = check.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{place}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn written_file_passes_check_for_each_login_and_tls() {
    let page = ["--origin", "https://app.example", "--origin", "capacitor://localhost"];
    let admin = ["--admin-host", "admin.chat.example"];
    let proxies = ["--tls", "proxy", "--proxy", "127.0.0.1", "--proxy", "::1"];
    let far = ["--proxy", "10.0.0.0/8", "--tls", "files"];
    let url = ["--jwks-url", "https://id.example/keys", "--algorithm", "ES256"];
    let acme = ["--agree-terms", "--acme-email", "ops@chat.example"];
    let staging = ["--tls", "acme", "--agree-terms", "--acme-staging", "--proxy", "10.0.0.1"];
    let cases: [(&[&[&str]], &[&str]); 11] = [
        (&[&acme], &["mode = \"acme\"", "acme_email = \"ops@chat.example\""]),
        (&[&acme, &admin, &page], &["acme_challenge = \"http-01\"", "admin.chat.example"]),
        (&[&staging], &["acme_staging = true", "trusted_proxies = [\"10.0.0.1/32\"]"]),
        (&[&FILES], &["certificate_file", "mode = \"files\"", "registration = \"open\""]),
        (&[&FILES, &far], &["trusted_proxies = [\"10.0.0.0/8\"]", "mode = \"files\""]),
        (&[&["--tls", "proxy"]], &["mode = \"off\"", "trusted_proxies = [\"127.0.0.1\"]"]),
        (&[&proxies], &["mode = \"off\"", "trusted_proxies = [\"127.0.0.1\", \"::1\"]"]),
        (&[&proxies, &ISSUER], &["jwks_url = \"https://id.example/.well-known/jwks.json\""]),
        (&[&FILES, &ISSUER, &url], &["algorithm = \"ES256\"", "\"https://id.example/keys\""]),
        (&[&proxies, &page], &["https://app.example", "hosts = [\"chat.example\"]"]),
        (&[&proxies, &admin], &["host = \"admin.chat.example\""]),
    ];
    for (arguments, expect) in cases {
        let folder = folder();
        let arguments = [&NAME[..], &arguments.concat()].concat();
        let place = format!("{arguments:?}");
        let output = init(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{place}: {}", text(&output.stderr));
        let file = folder.path().join("portcullis.toml");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "{place}");
        let printed = text(&output.stdout);
        for step in ["Wrote portcullis.toml", "portcullis check", "set-up link"] {
            assert!(printed.contains(step), "{place}: {printed}");
        }
        let in_force = check(folder.path(), &place);
        assert!(in_force.contains("https://chat.example"), "{place}: {in_force}");
        for expect in expect {
            assert!(in_force.contains(expect), "{place}: {expect} is missing in {in_force}");
        }
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn fault_in_an_option_is_explained_and_writes_nothing() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "standard input is not a terminal"),
        (&["--domain", "https://chat.example/"], "write its name only"),
        (&["--domain", "chat.example:8443"], "it has a port"),
        (&["--domain", "localhost"], "complete name"),
        (&["--domain", "192.0.2.1"], "complete name"),
        (&["--domain", "chat example.org", "--tls", "proxy"], "letters, digits, hyphens and dots"),
        (&["--domain", "tchö.example", "--tls", "proxy"], "xn--"),
        (&["--domain", "chat.example", "--tls", "acme"], "add --agree-terms"),
        (&["--domain", "chat.example", "--agree-terms", "--acme-email", "ops"], "--acme-email: "),
        (&["--domain", "chat.internal", "--agree-terms"], "--tls: "),
        (&["--domain", "chat.example", "--tls", "files", "--acme-staging"], "use --tls acme"),
        (&["--domain", "chat.example", "--tls", "acme", "--key", "good.key"], "your own only"),
        (&["--domain", "chat.example", "--tls", "none"], "write acme, files or proxy"),
        (&["--domain", "chat.example", "--login", "ldap"], "write own or issuer"),
        (&["--domain", "chat.example", "--certificate", "none.pem"], "--certificate: "),
        (&["--domain", "chat.example", "--certificate", "good.pem", "--key", "other.key"], "key"),
        (&["--domain", "b.example", "--certificate", "good.pem", "--key", "good.key"], "b.example"),
        (&["--domain", "chat.example", "--tls", "proxy", "--key", "good.key"], "your own only"),
        (&["--domain", "chat.example", "--proxy", "10.0.0.1"], "on another machine"),
        (&["--domain", "chat.example", "--proxy", "proxy.example"], "not an IP address"),
        (&["--domain", "chat.example", "--proxy", "::1", "--origin", "http://a.b"], "--origin: "),
        (&["--domain", "chat.example", "--proxy", "::1", "--origin", "*"], "pattern"),
        (&["--domain", "chat.example", "--proxy", "::1", "--login", "issuer"], "claim iss"),
        (&["--domain", "chat.example", "--proxy", "::1", "--issuer", "i"], "claim aud"),
        (
            &["--domain", "chat.example", "--login", "own", "--audience", "a"],
            "remove it, or use --login issuer",
        ),
        (
            &["--domain", "chat.example", "--proxy", "::1", "--admin-host", "chat.example"],
            "also a host of the chat",
        ),
        (
            &[
                "--domain",
                "chat.example",
                "--proxy",
                "::1",
                "--issuer",
                "https://id.example",
                "--audience",
                "a",
                "--jwks-url",
                "http://id.example",
            ],
            "jwks_url",
        ),
        (&["--domain", "chat.example", "--proxy", "::1", "none/portcullis.toml"], "a folder that"),
    ];
    let folder = folder();
    for (arguments, expect) in cases {
        let output = init(folder.path(), arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expect), "{arguments:?}: {error}");
        assert!(!folder.path().join("portcullis.toml").exists(), "{arguments:?}");
    }
}

#[test]
fn definitions_are_printed_beside_a_broken_configuration() {
    let folder = folder();
    std::fs::write(folder.path().join("portcullis.toml"), "[[[").unwrap();
    let print = |word: &str| {
        let output = run(folder.path(), &["config", word]);
        assert_eq!(output.status.code(), Some(0), "{word}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let schema: serde_json::Value = serde_json::from_str(&print("schema")).unwrap();
    assert_eq!(schema["properties"]["listen"]["properties"]["public"]["type"], "string");
    assert!(print("keys").starts_with("# Configuration keys\n"));
    std::fs::write(folder.path().join("portcullis.toml"), print("example")).unwrap();
    check(folder.path(), "example");
}

#[test]
fn existing_file_is_replaced_only_with_force() {
    let folder = folder();
    let file = folder.path().join("portcullis.toml");
    std::fs::write(&file, "# mine\n").unwrap();
    let arguments = [&NAME[..], &FILES].concat();
    let output = init(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("add --force"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\n");
    let output = init(folder.path(), &[&arguments[..], &["--force"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    check(folder.path(), "replaced");
}

/// Runs `init` on a pseudo terminal, which `script` of util-linux provides, with these answers.
fn answer(folder: &Path, answers: &[&str]) -> Output {
    let program = format!("{} init", env!("CARGO_BIN_EXE_portcullis"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &program, "/dev/null"]).current_dir(folder);
    let piped = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for answer in answers {
        writeln!(input, "{answer}").unwrap();
    }
    // The end of the answers is the end of the input on the terminal.
    drop(input);
    child.wait_with_output().unwrap()
}

#[test]
fn wrong_answer_is_explained_and_the_question_is_repeated() {
    let folder = folder();
    let answers = [
        "https://chat.example",
        "chat.example",
        "http://app.example",
        "https://app.example",
        "password",
        "issuer",
        "https://id.example",
        "portcullis",
        "http://id.example/keys",
        "",
        "HS256",
        "",
        "none",
        "files",
        "none.pem",
        "good.key",
        "good.pem",
        "good.key",
        "chat.example",
        "",
    ];
    let output = answer(folder.path(), &answers);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for explained in [
        "write its name only",
        "without TLS",
        "write own or issuer",
        "token.issuer.jwks_url",
        "HS256 has a shared secret",
        "write acme, files or proxy",
        "none.pem",
        "also a host of the chat",
        "Wrote portcullis.toml",
        "set-up link",
    ] {
        assert!(shown.contains(explained), "{explained} is missing in {shown}");
    }
    let in_force = check(folder.path(), "answers");
    for expect in ["https://app.example", "issuer = \"https://id.example\"", "mode = \"files\""] {
        assert!(in_force.contains(expect), "{expect} is missing in {in_force}");
    }
}

#[test]
fn default_answers_are_enough_behind_a_proxy() {
    let folder = folder();
    let output = answer(folder.path(), &["chat.example", "", "", "proxy", "10.0.0.1", "", ""]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("on another machine") && shown.contains("docs/proxies.md"), "{shown}");
    assert!(check(folder.path(), "proxy").contains("mode = \"off\""));
}

#[test]
fn end_of_the_answers_writes_nothing() {
    let folder = folder();
    let output = answer(folder.path(), &["chat.example", ""]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("before all questions were answered"), "{shown}");
    assert!(!folder.path().join("portcullis.toml").exists());
}

#[test]
fn documented_commands_write_a_file_that_passes_check() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut found = 0;
    for page in std::fs::read_dir(docs).unwrap() {
        let path = page.unwrap().path();
        let Ok(content) = std::fs::read_to_string(&path) else { continue };
        for line in content.lines().map(str::trim) {
            let start = line.strip_prefix("portcullis init");
            let Some(rest) = start.or_else(|| line.strip_prefix("sudo portcullisctl init")) else {
                continue;
            };
            if !rest.contains("--domain") {
                continue;
            }
            let folder = folder();
            let mut arguments: Vec<_> = rest.split_whitespace().collect();
            if !rest.contains("--tls proxy") && !rest.contains("--tls acme") {
                arguments.extend(FILES);
            }
            let output = init(folder.path(), &arguments);
            assert_eq!(output.status.code(), Some(0), "{line}: {}", text(&output.stderr));
            check(folder.path(), line);
            found += 1;
        }
    }
    assert!(found >= 3, "{found} commands");
}
