//! Channels with receivers, programs and files, and a clock that the test moves.
//! Never: a sleep; tests wait for what receivers get.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_audit::{
    Alert, AlertOptions, AlertSeverity, AlertState, Audit, AuditOptions, LogState,
};
use portcullis_model::{Clock, Now};
use portcullis_outbound::{Client, Policy, Target};
use serde_json::Value;

use super::monitor::MonitorState;
use crate::message::sample::test_alert;
use crate::{
    ChannelFiles, ChannelOptions, Channels, Monitor, MonitorOptions, QuietHours, Shape, Transport,
    Webhook, WebhookSecret,
};

const HOUR_MS: i64 = 3_600_000;
/// 00:00 UTC of a day.
const MIDNIGHT_MS: i64 = 20_000 * 24 * HOUR_MS;

/// A clock that the test sets.
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Now {
        let unix_ms = self.0.load(Ordering::Relaxed);
        Now { monotonic_ms: u64::try_from(unix_ms).unwrap(), unix_ms }
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

/// An HTTP server with a status that the test sets.
struct Receiver {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    /// The status, and the id and the state of the alert; the id is empty for a GET.
    received: Arc<Mutex<Vec<(u16, String)>>>,
}

impl Receiver {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(status));
        let received: Arc<Mutex<Vec<_>>> = Arc::default();
        let (of_status, of_received) = (Arc::clone(&status), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let status = of_status.load(Ordering::Relaxed);
                let text = answer(stream.unwrap(), status).unwrap();
                of_received.lock().unwrap().push((status, text));
            }
        });
        Self { address, status, received }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The messages that it accepted.
    fn accepted(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        let accepted = received.iter().filter(|(status, _)| *status == 200);
        accepted.map(|(_, text)| text.clone()).collect()
    }

    fn wait_for(&self, count: usize) {
        until(|| self.received.lock().unwrap().len() >= count);
    }

    fn target(&self) -> (Client, Target) {
        let policy = Policy {
            private_allowed: true,
            link_local_allowed: false,
            deadline: Duration::from_secs(15),
            body_max_bytes: 1_024,
            roots_pem: None,
        };
        let target = Target::parse(&format!("http://{}/", self.address), &policy).unwrap();
        (Client::new(policy).unwrap(), target)
    }

    fn channel(&self, name: &str) -> ChannelOptions {
        let (client, target) = self.target();
        let webhook = Webhook::new(client, target, Shape::Standard, WebhookSecret::None);
        ChannelOptions {
            name: String::from(name),
            severities: vec![AlertSeverity::High, AlertSeverity::Critical],
            fallback: None,
            quiet: None,
            transport: Transport::Webhook(webhook),
        }
    }
}

fn answer(stream: TcpStream, status: u16) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    reader.get_mut().write_all(head.as_bytes()).ok()?;
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return Some(String::new()) };
    let word = |value: &Value| String::from(value.as_str().unwrap());
    Some(format!("{} {}", word(&body["data"]["id"]), word(&body["data"]["state"])))
}

struct World {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    audit: Audit,
}

impl World {
    fn new(unix_ms: i64) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(unix_ms)));
        Self { folder: tempfile::tempdir().unwrap(), clock, audit: Audit::silent() }
    }

    fn start(&self, channels: &[ChannelOptions]) -> Channels {
        let files = ChannelFiles {
            spool: self.folder.path().join("alerts.spool"),
            delivered: self.folder.path().join("alerts.delivered"),
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Channels::start(channels.to_vec(), Vec::new(), files, self.audit.clone(), clock).unwrap()
    }

    /// Sets the clock and starts again.
    fn restart(&self, channels: Channels, options: &[ChannelOptions], unix_ms: i64) -> Channels {
        channels.close();
        self.clock.0.store(unix_ms, Ordering::Relaxed);
        self.start(options)
    }

    fn offer(&self, channels: &Channels, id: &str, severity: AlertSeverity, state: AlertState) {
        let alert = test_alert(id, self.clock.now());
        let alert = Alert { id: String::from(id), severity, state, ..alert };
        channels.sink().offer(&Arc::new(alert));
    }
}

fn wait_for_waiting(channels: &Channels, count: u64) {
    let counter = channels.counter();
    until(|| counter().waiting == count);
}

#[test]
fn quiet_hours_hold_alerts_over_a_restart_until_their_end() {
    use AlertSeverity::{Critical, High};
    let (page, other) = (Receiver::start(200), Receiver::start(200));
    let hours = QuietHours::parse("22:00-07:00 UTC", Critical).unwrap();
    let quiet = ChannelOptions { quiet: Some(hours), ..page.channel("page") };
    let options = [quiet, other.channel("other")];
    let world = World::new(MIDNIGHT_MS - HOUR_MS);
    let channels = world.start(&options);
    for (id, state) in [
        ("al_goes_on", AlertState::Firing),
        ("al_ends", AlertState::Firing),
        ("al_goes_on", AlertState::Updated),
        ("al_ends", AlertState::Resolved),
    ] {
        world.offer(&channels, id, High, state);
    }
    // Only one message waits: the newest state of the alert that goes on.
    wait_for_waiting(&channels, 1);
    let channels = world.restart(channels, &options, MIDNIGHT_MS + 7 * HOUR_MS - 1);
    world.offer(&channels, "al_critical", Critical, AlertState::Firing);
    page.wait_for(1);
    wait_for_waiting(&channels, 1);
    assert_eq!(page.accepted(), ["al_critical firing"]);
    let channels = world.restart(channels, &options, MIDNIGHT_MS + 7 * HOUR_MS);
    wait_for_waiting(&channels, 0);
    channels.close();
    assert_eq!(page.accepted(), ["al_critical firing", "al_goes_on updated"]);
}

#[test]
fn fallback_of_a_channel_in_quiet_hours_waits_for_their_end() {
    let (page, other) = (Receiver::start(503), Receiver::start(200));
    let hours = QuietHours::parse("22:00-07:00 UTC", AlertSeverity::Critical).unwrap();
    let page_options = ChannelOptions {
        quiet: Some(hours),
        fallback: Some(String::from("other")),
        ..page.channel("page")
    };
    let other_options =
        ChannelOptions { severities: vec![AlertSeverity::Critical], ..other.channel("other") };
    let options = [page_options, other_options];
    let world = World::new(MIDNIGHT_MS);
    let channels = world.start(&options);
    world.offer(&channels, "al_1", AlertSeverity::High, AlertState::Firing);
    let end = MIDNIGHT_MS + 7 * HOUR_MS;
    let channels = world.restart(channels, &options, end + 299_999);
    page.wait_for(1);
    assert_eq!(other.accepted(), [""; 0]);
    let channels = world.restart(channels, &options, end + 300_000);
    other.wait_for(1);
    channels.close();
    assert_eq!(other.accepted(), ["al_1 firing"]);
}

#[test]
fn t399_fallback_has_the_alert_within_a_minute_after_both_were_down() {
    let (page, other) = (Receiver::start(503), Receiver::start(503));
    let page_options =
        ChannelOptions { fallback: Some(String::from("other")), ..page.channel("page") };
    let other_options =
        ChannelOptions { severities: vec![AlertSeverity::High], ..other.channel("other") };
    let options = [page_options, other_options];
    let world = World::new(MIDNIGHT_MS);
    let mut channels = world.start(&options);
    world.offer(&channels, "al_1", AlertSeverity::Critical, AlertState::Firing);
    page.wait_for(1);
    // The fallback fails until its next attempt would be minutes later.
    for (seconds, attempts) in [(60, 1), (100, 2), (200, 3)] {
        channels = world.restart(channels, &options, MIDNIGHT_MS + seconds * 1_000);
        other.wait_for(attempts);
    }
    other.answers(200);
    channels = world.restart(channels, &options, MIDNIGHT_MS + 210_000);
    world.clock.0.store(MIDNIGHT_MS + 260_000, Ordering::Relaxed);
    // It wakes the workers, which wait for a clock that does not move.
    world.offer(&channels, "al_2", AlertSeverity::Info, AlertState::Firing);
    other.wait_for(4);
    wait_for_waiting(&channels, 1);
    page.answers(200);
    for seconds in [4_000, 8_000, 12_000] {
        channels = world.restart(channels, &options, MIDNIGHT_MS + seconds * 1_000);
        wait_for_waiting(&channels, 0);
    }
    channels.close();
    assert_eq!(page.accepted(), ["al_1 firing"]);
    assert_eq!(other.accepted(), ["al_1 firing"]);
}

#[test]
fn alert_without_space_in_the_spool_is_counted_and_recorded() {
    use AlertSeverity::{Critical, High};
    let receiver = Receiver::start(503);
    let (audit, lines) = Audit::memory();
    let world = World { audit, ..World::new(MIDNIGHT_MS) };
    let channels = world.start(&[receiver.channel("page")]);
    for number in 0..1_000 {
        world.offer(&channels, &format!("al_{number}"), High, AlertState::Firing);
    }
    let counts = channels.counter();
    assert_eq!((counts().undelivered, counts().waiting), (0, 1_000));
    world.offer(&channels, "al_critical", Critical, AlertState::Firing);
    world.offer(&channels, "al_high", High, AlertState::Firing);
    // The next state needs no more space, so an alert about the loss does not cause a loss.
    world.offer(&channels, "al_critical", Critical, AlertState::Updated);
    assert_eq!((counts().undelivered, counts().waiting), (2, 1_000));
    let lines = lines.lock().unwrap();
    for (line, alert) in lines.iter().zip(["al_0", "al_high"]) {
        assert!(line.contains("alert_undelivered") && line.contains(alert), "{line}");
    }
    assert_eq!(lines.len(), 2);
}

/// A log in a folder, with the alert engine.
fn open_log(folder: &Path) -> (Audit, Arc<TestClock>) {
    let clock = Arc::new(TestClock(AtomicI64::new(MIDNIGHT_MS)));
    let alert = AlertOptions::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let file = Some(folder.join("security.log"));
    let options = AuditOptions { file, alert: Some(alert), ..AuditOptions::default() };
    (Audit::open(options).unwrap(), clock)
}

#[test]
fn heartbeat_stops_while_the_log_has_a_fault_and_starts_again() {
    let (receiver, folder) = (Receiver::start(200), tempfile::tempdir().unwrap());
    let (client, target) = receiver.target();
    let monitor = Monitor::Heartbeat { client, target };
    let options = MonitorOptions { name: String::from("alive"), monitor };
    let (audit, clock) = open_log(folder.path());
    let (log, aside) = (folder.path().join("security.log"), folder.path().join("aside.log"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut state = MonitorState::default();
    let mut beat = || runtime.block_on(options.send(&mut state, &audit, clock.now()));
    let wait_for = |expect: LogState| {
        until(|| {
            clock.0.fetch_add(2_000, Ordering::Relaxed);
            audit.tick(clock.now());
            audit.counts().state == expect
        });
    };
    assert_eq!(beat(), Ok(()));
    // Something that is not a file is in the place of the log.
    std::fs::rename(&log, &aside).unwrap();
    std::fs::create_dir(&log).unwrap();
    wait_for(LogState::Failing);
    let fault = "the log or the alert engine has a fault";
    assert_eq!(beat(), Err(String::from(fault)));
    std::fs::remove_dir(&log).unwrap();
    wait_for(LogState::Ok);
    assert_eq!(beat(), Ok(()));
    assert_eq!(receiver.received.lock().unwrap().len(), 2, "none was sent in between");
    audit.close();
}

#[test]
fn heartbeat_is_missing_once_after_the_engine_was_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _clock) = open_log(folder.path());
    let mut state = MonitorState::default();
    state.restarts = 1;
    assert!(!state.is_well(&audit));
    assert!(state.is_well(&audit));
    audit.close();
    assert!(!MonitorState::default().is_well(&Audit::silent()), "it has no engine");
}
