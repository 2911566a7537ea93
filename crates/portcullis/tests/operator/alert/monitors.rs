//! Programs that watch the server from outside: a real Alertmanager, and a heartbeat.
//! Never: a receiver outside this machine.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use portcullis_test::{Config, until};
use serde_json::Value;

use crate::alert::alerts::guess;
use crate::start;

/// An Alertmanager of Debian, ended with the test.
struct Alertmanager {
    process: Child,
    address: SocketAddr,
}

impl Alertmanager {
    fn start(directory: &Path, address: SocketAddr) -> Self {
        let config = directory.join("alertmanager.yml");
        std::fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.join("storage").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { process, address };
        until("the Alertmanager", || started.alerts());
        started
    }

    /// Its alerts, when it answers.
    fn alerts(&self) -> Option<Vec<Value>> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(b"GET /api/v2/alerts HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Its alert with a name and a subject.
    fn wait_for(&self, name: &str, subject: Option<&str>) -> Value {
        until(name, || {
            let alerts = self.alerts().unwrap_or_default();
            alerts.into_iter().find(|alert| {
                let labels = &alert["labels"];
                labels["alertname"] == name && labels["subject"].as_str() == subject
            })
        })
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn channel(directory: &Path, kind: &str, url: &str) -> Config {
    let path = directory.join("url");
    std::fs::write(&path, url).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let mut config = Config {
        more: format!(
            "[[alert.channel]]\nname = \"watch\"\nkind = {kind:?}\nurl_file = {path:?}\n\
             private_address = true\n"
        ),
        ..Config::default()
    };
    let rates = ["login_per_user = \"1000/60s\"", "login_per_prefix = \"1000/60s\""];
    config.rate.extend(rates.map(String::from));
    config
}

#[test]
fn t401_alertmanager_shows_alerts_and_a_watchdog_also_after_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let manager = Alertmanager::start(directory.path(), address);
    let url = format!("http://{address}/api/v2/alerts");
    let server = start(&channel(directory.path(), "alertmanager", &url));
    manager.wait_for("PortcullisWatchdog", None);
    guess(&server, "ann", 12);
    let alert = manager.wait_for("A2", Some("name ann"));
    assert_eq!(alert["labels"]["severity"], "high");
    assert_eq!(alert["status"]["state"], "active");
    assert!(alert["annotations"]["description"].as_str().unwrap().contains("Key: name \"ann\""));
    drop(manager);
    std::fs::remove_dir_all(directory.path().join("storage")).unwrap();
    let manager = Alertmanager::start(directory.path(), address);
    guess(&server, "bob", 12);
    manager.wait_for("A2", Some("name bob"));
    // Every request has the whole state.
    manager.wait_for("A2", Some("name ann"));
    manager.wait_for("PortcullisWatchdog", None);
    let output = server.operate(&["alert", "test"], "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "watch: delivered\n");
}

#[test]
fn heartbeat_is_a_get_of_the_configured_url() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alive", listener.local_addr().unwrap());
    let _server = start(&channel(directory.path(), "heartbeat", &url));
    let (mut stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).unwrap();
    assert_eq!(line, "GET /alive HTTP/1.1\r\n");
}
