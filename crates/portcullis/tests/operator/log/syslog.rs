//! The security log at a syslog server with TLS: rsyslog, which restarts.
//! Never: a line that is lost, or changed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use portcullis_test::{Config, SioClient, TestServer, counter, hs256, until, until_within};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

use crate::start;

/// rsyslog on a port of its own, with its files in a folder.
struct Rsyslog {
    folder: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

impl Rsyslog {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        make_certificate(&folder.path().join("trusted"));
        make_certificate(&folder.path().join("other"));
        Self { folder, port, running: None }
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        config.more.push_str(&format!(
            "[audit]\nsyslog = \"tls://localhost:{}\"\nsyslog_ca = \"{}\"\n",
            self.port,
            self.folder.path().join("trusted.pem").display()
        ));
        config
    }

    /// Starts rsyslog with a certificate.
    fn start(&mut self, certificate: &str) {
        let (folder, port) = (self.folder.path().display(), self.port);
        let text = format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"64k\"\n\
             DefaultNetstreamDriver=\"ossl\"\n\
             DefaultNetstreamDriverCAFile=\"{folder}/trusted.pem\"\n\
             DefaultNetstreamDriverCertFile=\"{folder}/{certificate}.pem\"\n\
             DefaultNetstreamDriverKeyFile=\"{folder}/{certificate}.key\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\"\n\
             StreamDriver.AuthMode=\"anon\")\n\
             template(name=\"line\" type=\"string\" string=\"%pri% %app-name% %msgid% %msg%\\n\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             action(type=\"omfile\" file=\"{folder}/received\" template=\"line\")\n"
        );
        let path = self.folder.path().join("rsyslog.conf");
        std::fs::write(&path, text).unwrap();
        let child = Command::new("rsyslogd")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["-n", "-i", "NONE", "-f"])
            .arg(path)
            .spawn()
            .unwrap();
        self.running = Some(child);
    }

    fn stop(&mut self, signal: &str) {
        let mut child = self.running.take().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        child.wait().unwrap();
    }

    /// The received lines by number. A line that came twice is the same.
    fn received(&self) -> BTreeMap<u64, String> {
        let mut lines = BTreeMap::new();
        let text = std::fs::read(self.folder.path().join("received")).unwrap_or_default();
        let text = String::from_utf8(text).unwrap();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut parts = line.splitn(4, ' ');
            let mut next = || parts.next().unwrap();
            let (priority, program, name, message) = (next(), next(), next(), next());
            let record: Value = serde_json::from_str(message).unwrap();
            let severity = match record["log"]["level"].as_str().unwrap() {
                "critical" => "106",
                "warning" => "108",
                _ => "110",
            };
            assert_eq!((priority, program), (severity, "portcullis"), "{line}");
            assert_eq!(record["event"]["code"], name);
            let number = record["event"]["sequence"].as_u64().unwrap();
            let before = lines.insert(number, String::from(message));
            assert!(before.is_none_or(|before| before == message), "{message}");
        }
        lines
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ended = child.kill().and_then(|()| child.wait());
        }
    }
}

fn make_certificate(path: &Path) {
    let made = generate_simple_self_signed([String::from("localhost")]).unwrap();
    let CertifiedKey { cert, signing_key } = made;
    std::fs::write(path.with_extension("pem"), cert.pem()).unwrap();
    std::fs::write(path.with_extension("key"), signing_key.serialize_pem()).unwrap();
}

/// All lines of the log by number.
fn logged(server: &TestServer) -> BTreeMap<u64, String> {
    let mut lines = BTreeMap::new();
    for entry in server.data().read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_other = name.ends_with(".reserve") || name.ends_with(".clock");
        if !name.starts_with("security.log") || is_other {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            lines.insert(record["event"]["sequence"].as_u64().unwrap(), String::from(line));
        }
    }
    lines
}

fn is_up(server: &TestServer) -> bool {
    counter(server, "portcullis_syslog_up") == 1
}

fn connect(server: &TestServer, times: usize) {
    for _ in 0..times {
        drop(SioClient::connect(server, &hs256("ada")));
    }
}

// T-378
#[test]
fn t378_syslog_server_that_restarts_gets_every_line_unchanged() {
    let mut rsyslog = Rsyslog::new();
    rsyslog.start("trusted");
    let server = start(&rsyslog.config());
    until("the connection", || is_up(&server).then_some(()));
    connect(&server, 20);
    until("lines", || (rsyslog.received().len() > 10).then_some(()));
    // An orderly restart while lines arrive, and one without notice.
    for signal in ["-TERM", "-KILL"] {
        connect(&server, 20);
        rsyslog.stop(signal);
        connect(&server, 20);
        // The file is closed and another one follows while rsyslog is down.
        let closed = format!("security.log.{}", usize::from(signal == "-TERM"));
        let open = server.data().join("security.log");
        std::fs::rename(&open, server.data().join(closed)).unwrap();
        until("the new file", || open.exists().then_some(()));
        connect(&server, 20);
        rsyslog.start("trusted");
        connect(&server, 20);
    }
    // The server stops before everything has arrived, and goes on after its start.
    rsyslog.stop("-TERM");
    connect(&server, 20);
    let mut server = server.restart();
    rsyslog.start("trusted");
    until("the connection", || is_up(&server).then_some(()));
    connect(&server, 20);
    assert!(server.terminate().success());
    let logged = logged(&server);
    assert!(logged.len() > 150, "{}", logged.len());
    let all = until("every line", || {
        let received = rsyslog.received();
        (received.len() >= logged.len()).then_some(received)
    });
    assert!(all == logged, "{} received, {} logged", all.len(), logged.len());
}

// T-378
#[test]
fn t378_untrusted_syslog_server_gets_no_records_and_is_recorded() {
    let mut rsyslog = Rsyslog::new();
    rsyslog.start("other");
    let server = start(&rsyslog.config());
    let of_syslog = |code: &'static str| {
        move |record: &Value| record["event"]["code"] == code && record["rule"]["name"] == "syslog"
    };
    let recorded = |code| {
        until_within(Duration::from_secs(60), code, || {
            let records = logged(&server);
            let mut records = records.values().map(|line| serde_json::from_str(line).unwrap());
            records.find(of_syslog(code))
        })
    };
    let down = recorded("sys_monitor_disabled");
    assert!(down["message"].as_str().unwrap().contains("certificate"), "{down}");
    assert!(!is_up(&server) && rsyslog.received().is_empty());
    assert!(counter(&server, "portcullis_syslog_behind_seconds") >= 9);
    rsyslog.stop("-TERM");
    rsyslog.start("trusted");
    recorded("sys_monitor_enabled");
    until("every line", || {
        let (received, logged) = (rsyslog.received(), logged(&server));
        (is_up(&server) && received == logged).then_some(())
    });
}
