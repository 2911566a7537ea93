//! Alerts by mail: a real mail server (aiosmtpd) with TLS, STARTTLS, or none.
//! Never: a mail over a connection without TLS.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use portcullis_test::{Config, counter, until};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

use crate::alert::alerts::guess;
use crate::start;

/// The interpreter of Debian, which has its packages.
const PYTHON: &str = "/usr/bin/python3";
const PASSWORD: &str = "correct horse";

/// A mail server, ended with the test.
struct MailServer {
    process: Child,
    port: u16,
    mails: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    /// Starts it with the certificate of a folder.
    fn start(mode: &str, folder: &Path, rejections: u32) -> Self {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operator/alert/mail_server.py");
        let mut process = Command::new(PYTHON)
            .arg(script)
            .arg(mode)
            .args([folder.join("mail.pem"), folder.join("mail.key")])
            .arg(rejections.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let mails: Arc<Mutex<Vec<Value>>> = Arc::default();
        let of_thread = Arc::clone(&mails);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                of_thread.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { process, port, mails }
    }

    fn all(&self) -> Vec<Value> {
        self.mails.lock().unwrap().clone()
    }

    fn wait_for(&self, count: usize) -> Vec<Value> {
        until("the mails", || Some(self.all()).filter(|all| all.len() >= count))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A folder with a certificate that the channel trusts, another one, and the login.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["mail", "other"] {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([String::from("localhost")]).unwrap();
        let path = folder.path().join(name);
        std::fs::write(path.with_extension("pem"), cert.pem()).unwrap();
        std::fs::write(path.with_extension("key"), signing_key.serialize_pem()).unwrap();
    }
    let login = folder.path().join("login");
    std::fs::write(&login, format!("portcullis\n{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&login, Permissions::from_mode(0o600)).unwrap();
    folder
}

/// A mail channel that trusts a certificate of the folder.
fn config(folder: &Path, encryption: &str, port: u16, trusted: &str, more: &str) -> Config {
    let mut config = Config {
        more: format!(
            "[[alert.channel]]\nname = \"mail\"\nkind = \"mail\"\nprivate_address = true\n\
             server = \"{encryption}://localhost:{port}\"\nfrom = \"portcullis@example.org\"\n\
             to = [\"ops@example.org\", \"gone@example.org\"]\nca_file = {:?}\n{more}",
            folder.join(trusted).with_extension("pem")
        ),
        ..Config::default()
    };
    let rates = ["login_per_user = \"1000/60s\"", "login_per_prefix = \"1000/60s\""];
    config.rate.extend(rates.map(String::from));
    config
}

fn login(folder: &Path) -> String {
    format!("login_file = {:?}\n", folder.join("login"))
}

/// The result that `alert test` prints.
fn test_result(config: &Config) -> String {
    let output = start(config).operate(&["alert", "test"], "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn t400_one_mail_for_each_state_and_the_same_id_after_greylisting() {
    let folder = folder();
    let mails = MailServer::start("starttls", folder.path(), 1);
    let login = login(folder.path());
    let server = start(&config(folder.path(), "starttls", mails.port, "mail", &login));
    guess(&server, "ann", 12);
    let all = mails.wait_for(2);
    assert_eq!((&all[0]["accepted"], &all[1]["accepted"]), (&false.into(), &true.into()));
    let headers = &all[1]["headers"];
    assert_eq!(&all[0]["headers"], headers);
    assert!(headers["message-id"].as_str().unwrap().starts_with("<msg_"), "{headers}");
    assert_eq!(
        headers["subject"],
        "Portcullis [high] A2: Password guessing against one account (firing)"
    );
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(all[1]["encrypted"], true);
    // The receiver that no longer exists does not keep the other one from its mail.
    assert_eq!(all[1]["to"], serde_json::json!(["ops@example.org"]));
    assert!(all[1]["body"].as_str().unwrap().contains("Key: name \"ann\""), "{}", all[1]);
    let waiting = || counter(&server, "portcullis_alert_messages_waiting");
    until("the metric", || (waiting() == 0).then_some(()));
    // More of the same is not another state.
    guess(&server, "ann", 5);
    guess(&server, "bob", 12);
    let all = mails.wait_for(3);
    assert!(all[2]["body"].as_str().unwrap().contains("Key: name \"bob\""), "{}", all[2]);
    assert!(!server.records.errors().contains(PASSWORD));
}

#[test]
fn t400_mail_is_sent_over_tls_from_the_first_byte() {
    let folder = folder();
    let mails = MailServer::start("tls", folder.path(), 0);
    let config = config(folder.path(), "tls", mails.port, "mail", &login(folder.path()));
    assert_eq!(test_result(&config), "mail: delivered\n");
    assert_eq!(mails.all()[0]["encrypted"], true);
}

#[test]
fn t400_mail_server_without_tls_gets_nothing() {
    let folder = folder();
    let mails = MailServer::start("plain", folder.path(), 0);
    let config = config(folder.path(), "starttls", mails.port, "mail", &login(folder.path()));
    assert_eq!(
        test_result(&config),
        "mail: failed: the mail server does not offer STARTTLS; mails are not sent without TLS\n"
    );
    assert!(mails.all().is_empty());
}

#[test]
fn t400_wrong_certificate_is_named() {
    let folder = folder();
    for encryption in ["tls", "starttls"] {
        let mails = MailServer::start(encryption, folder.path(), 0);
        let login = login(folder.path());
        let config = config(folder.path(), encryption, mails.port, "other", &login);
        let printed = test_result(&config);
        assert!(printed.starts_with("mail: failed: no TLS with localhost: check"), "{printed}");
        assert!(mails.all().is_empty());
    }
}

#[test]
fn t400_wrong_password_is_named_and_not_printed() {
    let folder = folder();
    let mails = MailServer::start("starttls", folder.path(), 0);
    std::fs::write(folder.path().join("login"), "portcullis\nanother\n").unwrap();
    let config = config(folder.path(), "starttls", mails.port, "mail", &login(folder.path()));
    let printed = test_result(&config);
    assert!(printed.starts_with("mail: failed: the mail server answered 535 to"), "{printed}");
    assert!(!printed.contains("another"), "{printed}");
}

// The answer from before TLS would count as one of the verified server.
#[test]
fn t400_data_between_starttls_and_tls_is_not_accepted() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut commands = BufReader::new(stream.try_clone().unwrap()).lines();
        for answer in ["220 mail\r\n", "250 STARTTLS\r\n", "220 go\r\n250 forged\r\n"] {
            stream.write_all(answer.as_bytes()).unwrap();
            let _command = commands.next();
        }
    });
    let config = config(folder.path(), "starttls", port, "mail", &login(folder.path()));
    assert_eq!(
        test_result(&config),
        "mail: failed: the mail server sent data between STARTTLS and TLS, as an attacker could\n"
    );
    server.join().unwrap();
}

#[test]
fn weekly_digest_is_sent_by_mail_channels_on_time_and_on_request() {
    let folder = folder();
    let mails = MailServer::start("starttls", folder.path(), 0);
    let mut config = config(folder.path(), "starttls", mails.port, "mail", &login(folder.path()));
    config.more = format!("[alert]\ndigest = \"mon 08:00 Europe/Berlin\"\n{}", config.more);
    let server = start(&config);
    guess(&server, "ann", 12);
    let alert = mails.wait_for(1);
    assert!(alert[0]["headers"]["subject"].as_str().unwrap().contains("A2"), "{alert:?}");
    let output = server.operate(&["alert", "digest"], "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "mail: delivered\n");
    let all = mails.wait_for(2);
    check_digest(&all[1]);
    // The server was off on the last Monday: it sends the digest after its start.
    std::fs::write(server.data().join("digest.sent"), "2026-01-01T00:00:00.000Z\n").unwrap();
    let server = server.restart();
    let all = mails.wait_for(3);
    check_digest(&all[2]);
    let sent = || std::fs::read_to_string(server.data().join("digest.sent")).unwrap();
    until("the note", || (!sent().starts_with("2026-01-01")).then_some(()));
}

fn check_digest(mail: &Value) {
    let subject = mail["headers"]["subject"].as_str().unwrap();
    assert!(subject.starts_with("Portcullis weekly digest of "), "{mail}");
    let body = mail["body"].as_str().unwrap();
    for part in ["Rejected requests, by rule: ", "  login", "Regular audit", "not acknowledged"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("://"), "{body}");
}
