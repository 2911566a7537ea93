//! Channels of alerts: what receivers get, also after a fault or a restart.
//! Never: a receiver outside this machine.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use portcullis_test::{Config, SioClient, TestServer, counter, sign_in, until};
use serde_json::{Value, json};

use crate::alert::alerts::guess;
use crate::start;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request that a receiver got.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl ReceivedRequest {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        &found.unwrap().1
    }
}

/// An HTTP server that answers its first requests with these statuses, and the others with 204.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Receiver {
    pub(crate) fn start(statuses: &'static [u16]) -> Self {
        Self::start_with(statuses, String::new())
    }

    /// Each response has these headers, too.
    fn start_with(statuses: &'static [u16], headers: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<ReceivedRequest>>> = Arc::default();
        let of_thread = Arc::clone(&received);
        std::thread::spawn(move || {
            let mut statuses = statuses.iter();
            for stream in listener.incoming() {
                let status = statuses.next().copied().unwrap_or(204);
                let found = answer(stream.unwrap(), status, &headers);
                of_thread.lock().unwrap().extend(found);
            }
        });
        Self { address, received }
    }

    pub(crate) fn all(&self) -> Vec<ReceivedRequest> {
        self.received.lock().unwrap().clone()
    }

    fn wait_for(&self, count: usize) -> Vec<ReceivedRequest> {
        until("the messages", || Some(self.all()).filter(|all| all.len() >= count))
    }
}

fn answer(stream: TcpStream, status: u16, more: &str) -> Option<ReceivedRequest> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    assert_eq!(line, "POST /hush HTTP/1.1\r\n");
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n");
    let response = format!("{head}{more}\r\n");
    reader.get_mut().write_all(response.as_bytes()).ok()?;
    Some(ReceivedRequest { headers, body: serde_json::from_slice(&body).unwrap() })
}

fn private_file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// A channel with a receiver of this machine.
pub(crate) fn channel(directory: &Path, name: &str, address: SocketAddr) -> String {
    let url = private_file(directory, name, &format!("http://{address}/hush\n"));
    let secret = private_file(directory, "secret", SECRET);
    format!(
        "[[alert.channel]]\nname = {name:?}\nkind = \"webhook\"\nurl_file = {url:?}\n\
         secret_file = {secret:?}\nprivate_address = true\n"
    )
}

pub(crate) fn config(channels: &[String]) -> Config {
    let mut config = Config { more: channels.concat(), ..Config::default() };
    let rates = ["login_per_user = \"1000/60s\"", "login_per_prefix = \"1000/60s\""];
    config.rate.extend(rates.map(String::from));
    config
}

fn waiting(server: &TestServer) -> u64 {
    counter(server, "portcullis_alert_messages_waiting")
}

#[test]
fn t397_alert_reaches_the_webhook_and_a_retry_keeps_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[503]);
    let server = start(&config(&[channel(directory.path(), "page", receiver.address)]));
    guess(&server, "ann", 12);
    let all = receiver.wait_for(2);
    assert_eq!(all[0].header("webhook-id"), all[1].header("webhook-id"));
    assert_eq!(all[0].body, all[1].body);
    assert!(all[1].header("webhook-signature").starts_with("v1,"));
    assert!(all[1].header("webhook-timestamp").parse::<i64>().unwrap() > 1_700_000_000);
    let data = &all[1].body["data"];
    assert_eq!(all[1].body["type"], "alert.firing");
    assert_eq!((&data["rule"], &data["severity"]), (&json!("A2"), &json!("high")));
    assert_eq!(data["key"], json!({"kind": "name", "value": "ann"}));
    until("the metric", || (waiting(&server) == 0).then_some(()));
    assert_eq!(counter(&server, "portcullis_alert_messages_delivered"), 1);
    assert!(!server.records.errors().contains("hush"), "the path of a URL is a secret");
}

#[test]
fn undelivered_alert_is_sent_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    // Nothing listens there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = start(&config(&[channel(directory.path(), "page", closed)]));
    guess(&server, "ann", 12);
    until("the message", || (waiting(&server) == 1).then_some(()));
    let receiver = Receiver::start(&[]);
    private_file(directory.path(), "page", &format!("http://{}/hush", receiver.address));
    let server = server.restart();
    let all = receiver.wait_for(1);
    assert_eq!(all[0].body["data"]["rule"], "A2");
    until("the metric", || (waiting(&server) == 0).then_some(()));
}

#[test]
fn receiver_that_is_gone_gets_no_more_messages() {
    let directory = tempfile::tempdir().unwrap();
    let (gone, other) = (Receiver::start(&[410]), Receiver::start(&[]));
    let channels = [("gone", gone.address), ("other", other.address)];
    let channels = channels.map(|(name, address)| channel(directory.path(), name, address));
    let server = start(&config(&channels));
    guess(&server, "ann", 12);
    other.wait_for(1);
    gone.wait_for(1);
    let record = server.records.wait_for(|record| record["event"]["code"] == "alert_undelivered");
    assert!(record["message"].as_str().unwrap().contains("by gone: the receiver answered 410"));
    guess(&server, "bob", 12);
    other.wait_for(2);
    assert_eq!(gone.all().len(), 1);
}

#[test]
fn administrators_get_the_event_in_their_namespace() {
    let server = start(&config(&[]));
    let admin = portcullis_test::set_up(&server, "the_admin");
    let mut client = SioClient::connect(&server, &admin.token);
    let payload = json!({ "token": sign_in(&server, "the_admin").token }).to_string();
    client.join_namespace("/admin", &payload).unwrap();
    guess(&server, "ann", 12);
    let packet = client.wait_packet(|packet| {
        packet.starts_with("42/admin,[\"alert\",") && packet.contains("\"rule\":\"A2\"")
    });
    assert!(packet.contains("\"type\":\"alert.firing\""), "{packet}");
}

#[test]
fn t403_alert_test_prints_the_result_of_each_channel() {
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (Receiver::start(&[]), Receiver::start(&[500]));
    let channels = [("good", good.address), ("bad", bad.address)];
    let channels = channels.map(|(name, address)| channel(directory.path(), name, address));
    let server = start(&config(&channels));
    let output = server.operate(&["alert", "test"], "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "good: delivered\nbad: failed: the receiver answered 500\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(good.all()[0].body["data"]["test"], true);
    let output = server.operate(&["alert", "test"], "");
    assert_eq!(output.status.code(), Some(0), "the other receiver answers now");
}

#[test]
fn redirect_of_a_webhook_is_not_followed() {
    const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
    let directory = tempfile::tempdir().unwrap();
    let other = Receiver::start(&[]);
    let location = format!("Location: http://{}/hush\r\n", other.address);
    let receiver = Receiver::start_with(&REDIRECTS, location);
    let server = start(&config(&[channel(directory.path(), "page", receiver.address)]));
    for status in REDIRECTS {
        let output = server.operate(&["alert", "test"], "");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.starts_with("page: failed: "), "{status}: {printed}");
        assert!(!printed.contains("hush"), "{printed}");
    }
    assert_eq!(receiver.all().len(), REDIRECTS.len());
    assert!(other.all().is_empty());
}

#[test]
fn webhook_contacts_private_addresses_if_allowed_and_link_local_never() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let allowed = channel(directory.path(), "page", address);
    let only_public = allowed.replace("private_address = true\n", "");
    let set_url = |url: &str| private_file(directory.path(), "page", url);
    let fails = |server: &TestServer, url: &str, expect: &str| {
        set_url(url);
        let output = server.operate(&["alert", "test"], "");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains(expect) && !printed.contains("hush"), "{url}: {printed}");
        assert_ne!(output.status.code(), Some(0), "{url}");
    };
    let server = start(&config(&[allowed]));
    for host in ["169.254.169.254", "169.254.0.1", "[fe80::1]", "[::ffff:169.254.169.254]"] {
        fails(&server, &format!("https://{host}/hush"), "link-local");
        fails(&server, &format!("http://{host}/hush"), "alert.channel.url_file");
    }
    set_url("https://hooks.example/hush");
    let server = start(&config(&[only_public]));
    let port = address.port();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.0.1", "[fd00::1]"]
    {
        fails(&server, &format!("https://{host}:{port}/hush"), "not public");
    }
    // The address of a name is checked when it is known.
    fails(&server, &format!("https://localhost:{port}/hush"), "not public");
    assert!(listener.accept().is_err(), "no connection");
}
