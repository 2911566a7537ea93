//! The engine behind a real log: threads, state file, records.
//! Never: sleeps; tests wait for what the engine sends.

mod replacement; // other rules while the engine runs

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portcullis_model::{Clock, Code, Now, UserId};

use super::alerts::lock;
use crate::alert::incident::silence::SilenceRequest;
use crate::alert::input::subject::{Privilege, Subject};
use crate::alert::notification::{Acknowledgement, Alert, AlertSeverity};
use crate::alert::options::AlertOptions;
use crate::alert::sink::{AlertSink, SinkOutcome};
use crate::audit::Audit;
use crate::options::AuditOptions;
use crate::record::fields::{Outcome, Record};

const START_UNIX_MS: i64 = 1_790_824_365_000;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A clock that a test moves, and sets.
#[derive(Default)]
struct TestClock(AtomicU64, AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Now {
        let monotonic_ms = self.0.load(Ordering::Relaxed);
        let set_ms = self.1.load(Ordering::Relaxed);
        let unix_ms = START_UNIX_MS + i64::try_from(monotonic_ms).unwrap() + set_ms;
        Now { monotonic_ms, unix_ms }
    }
}

/// A channel that keeps what it gets.
#[derive(Default)]
struct Inbox {
    alerts: Mutex<Vec<Arc<Alert>>>,
    came: Condvar,
    is_full: bool,
}

impl AlertSink for Inbox {
    fn name(&self) -> &str {
        "inbox"
    }

    fn offer(&self, alert: &Arc<Alert>) -> SinkOutcome {
        lock(&self.alerts).push(Arc::clone(alert));
        self.came.notify_all();
        if self.is_full { SinkOutcome::Full } else { SinkOutcome::Accepted }
    }
}

impl Inbox {
    fn lines(alerts: &[Arc<Alert>]) -> Vec<String> {
        let line = |alert: &Arc<Alert>| format!("{} {}", alert.rule, alert.state.name());
        alerts.iter().map(line).collect()
    }

    /// Waits until a line came, and returns its alert.
    fn wait(&self, line: &str) -> Arc<Alert> {
        let place = |alerts: &[Arc<Alert>]| Self::lines(alerts).iter().position(|one| one == line);
        let missing = |alerts: &mut Vec<Arc<Alert>>| place(alerts).is_none();
        let waited = self.came.wait_timeout_while(lock(&self.alerts), TIMEOUT, missing);
        let (alerts, _) = waited.unwrap();
        let found = place(&alerts);
        let found = found.unwrap_or_else(|| panic!("{line}: {:?}", Self::lines(&alerts)));
        Arc::clone(&alerts[found])
    }
}

struct World {
    audit: Audit,
    clock: Arc<TestClock>,
    inbox: Arc<Inbox>,
}

impl World {
    fn open(folder: &Path, clock: &Arc<TestClock>) -> Self {
        let alert = AlertOptions {
            state_file: Some(folder.join("alerts.state")),
            ..AlertOptions::new(Arc::clone(clock) as Arc<dyn Clock>)
        };
        let options = AuditOptions {
            file: Some(folder.join("security.log")),
            alert: Some(alert),
            ..AuditOptions::default()
        };
        let audit = Audit::open(options).unwrap();
        let inbox = Arc::new(Inbox::default());
        audit.alerts().unwrap().add_sink(Arc::clone(&inbox) as Arc<dyn AlertSink>);
        Self { audit, clock: Arc::clone(clock), inbox }
    }

    fn guess(&self, times: usize) {
        self.guess_name("ada", times);
    }

    fn guess_name(&self, name: &str, times: usize) {
        for _ in 0..times {
            let record = Record {
                outcome: Outcome::Failure,
                rule: "login",
                client: "203.0.113.7".parse().ok(),
                ..Record::new(Code::AuthnLoginFail)
            };
            let subject = Subject { name: Some(name), ..Subject::default() };
            self.audit.record_with(record, &subject, self.clock.now(), |_| ());
        }
    }

    fn replace_log(&self) {
        let record = Record { outcome: Outcome::Failure, ..Record::new(Code::LogReplaced) };
        self.audit.record(record, self.clock.now());
    }

    fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn lines(&self) -> Vec<String> {
        Inbox::lines(&lock(&self.inbox.alerts))
    }
}

fn log(folder: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("security.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn alert_counts_sampled_records_and_names_the_line_of_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    world.audit.alerts().unwrap().set_note(String::from("signed note"));
    world.guess(30);
    let alert = world.inbox.wait("A2 firing");
    assert_eq!(alert.counts.events, 30, "five of them are written");
    assert_eq!(alert.origin.note.as_deref(), Some("signed note"));
    world.audit.close();
    let lines = log(folder.path());
    let fired = lines.iter().find(|line| line["event"]["code"] == "alert_fired").unwrap();
    assert_eq!(
        (&fired["labels"]["alert"], &fired["user"]["name"]),
        (&alert.id.clone().into(), &"ada".into())
    );
    assert_eq!(fired["event"]["kind"], "alert");
    let evidence = alert.evidence.iter().filter_map(|one| one.sequence).next().unwrap();
    let of_evidence = lines.iter().find(|line| line["event"]["sequence"] == evidence).unwrap();
    assert_eq!(of_evidence["event"]["code"], "authn_login_fail");
}

// T-386, T-394
#[test]
fn t386_restart_while_firing_sends_no_second_message() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let world = World::open(folder.path(), &clock);
    let login = |world: &World, address: &str| {
        let record = Record {
            outcome: Outcome::Success,
            client: address.parse().ok(),
            user: UserId::parse("u1").ok(),
            ..Record::new(Code::AuthnLoginSuccess)
        };
        let subject = Subject { privilege: Privilege::Privileged, ..Subject::default() };
        world.audit.record_with(record, &subject, world.clock.now(), |_| ());
    };
    world.guess(10);
    login(&world, "198.51.100.1");
    login(&world, "203.0.113.1");
    let id = world.inbox.wait("A2 firing").id.clone();
    world.inbox.wait("F1 firing");
    let now = world.clock.now();
    let acknowledgement =
        Acknowledgement { by: String::from("bob"), note: String::from("mine"), unix_ms: 1 };
    let request = SilenceRequest {
        rule: Some(String::from("A9")),
        reason: String::from("a\ttest\n%09"),
        by: String::from("bob"),
        until_unix_ms: now.unix_ms + 86_400_000,
        ..SilenceRequest::default()
    };
    let alerts = world.audit.alerts().unwrap();
    assert!(alerts.acknowledge(&id, acknowledgement, now));
    let silence = alerts.silence(request, now).unwrap();
    world.audit.close();

    clock.0.fetch_add(60_000, Ordering::Relaxed);
    let world = World::open(folder.path(), &clock);
    world.guess(3);
    login(&world, "203.0.113.2");
    world.replace_log();
    world.inbox.wait("A13 firing");
    assert_eq!(world.lines(), ["A13 firing"]);
    let alerts = world.audit.alerts().unwrap();
    assert_eq!(alerts.silences(), [silence]);
    let open = alerts.open();
    let found = open.iter().find(|alert| alert.id == id).unwrap();
    assert_eq!(found.acknowledged.as_ref().map(|one| one.by.as_str()), Some("bob"));
    assert!(found.counts.thresholds.iter().all(|one| one.reached), "{found:?}");
    assert_eq!(alerts.counts().open, [0, 1, 2, 1], "A14 for the silence, A2 and F1, A13");
    world.pass(11 * 60_000);
    assert_eq!(world.inbox.wait("A2 resolved").id, id);
    world.audit.close();
    let codes: Vec<_> =
        log(folder.path()).iter().map(|line| line["event"]["code"].clone()).collect();
    for code in ["alert_acknowledged", "alert_silenced", "alert_fired", "alert_resolved"] {
        assert!(codes.contains(&code.into()), "{code} {codes:?}");
    }
}

#[test]
fn broken_state_is_set_aside_and_is_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let world = World::open(folder.path(), &clock);
    world.guess(10);
    world.inbox.wait("A2 firing");
    world.audit.close();
    let path = folder.path().join("alerts.state");
    let whole = std::fs::read_to_string(&path).unwrap();
    let half = whole.get(..whole.len() / 2).unwrap();
    let longer = format!("{whole}more\n");
    let later = whole.replace("alerts\t1", "alerts\t2");
    for (broken, fault) in [
        ("", "has an invalid line 1"),
        ("text", "has an invalid line 1"),
        (half, "has an invalid line"),
        (&longer, "has an invalid line"),
        (&whole.replace("high", "higher"), "has an invalid line 2"),
        (&later, "has format 2, this version reads 1: install a later version"),
    ] {
        std::fs::write(&path, broken).unwrap();
        let world = World::open(folder.path(), &clock);
        let alert = world.inbox.wait("A13 firing");
        assert_eq!(alert.severity, AlertSeverity::Critical);
        world.audit.close();
        let aside = folder.path().join("alerts.state.broken");
        assert_eq!(std::fs::read_to_string(aside).unwrap(), broken);
        let lines = log(folder.path());
        let record = lines.iter().rfind(|line| line["event"]["code"] == "sys_monitor_disabled");
        let text = record.unwrap()["message"].as_str().unwrap();
        assert!(text.starts_with(&format!("alerts.state {fault}")), "{text}");
        assert!(text.ends_with("; it is kept as alerts.state.broken"), "{text}");
    }
}

#[test]
fn evidence_of_a_code_that_was_removed_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let world = World::open(folder.path(), &clock);
    world.guess(10);
    let id = world.inbox.wait("A2 firing").id.clone();
    world.audit.close();
    let path = folder.path().join("alerts.state");
    let state = std::fs::read_to_string(&path).unwrap();
    assert!(state.contains("authn_login_fail"), "{state}");
    std::fs::write(&path, state.replace("authn_login_fail", "authn_removed")).unwrap();
    let world = World::open(folder.path(), &clock);
    let open = world.audit.alerts().unwrap().open();
    assert_eq!(open.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&id]);
    assert!(open[0].evidence.is_empty());
}

#[test]
fn failed_engine_starts_again_once_a_minute_and_records_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    world.guess(10);
    let id = world.inbox.wait("A2 firing").id.clone();
    let alerts = world.audit.alerts().unwrap();
    world.pass(2_000);
    world.replace_log();
    world.inbox.wait("A13 firing");
    world.pass(2_000);
    lock(&alerts.shared.stop.0).fails = true;
    let crash = world.inbox.wait("A12 firing");
    assert_eq!(crash.key.as_ref().map(|key| key.value.as_str()), Some("alert_engine"));
    assert_eq!(alerts.counts().restarts, 1);
    world.guess(1);
    world.pass(11 * 60_000);
    assert_eq!(world.inbox.wait("A2 resolved").id, id, "the state survived");
    world.audit.close();
    assert!(log(folder.path()).iter().any(|line| line["rule"]["name"] == "alert_engine"));
}

#[test]
fn clock_set_back_at_a_restart_does_not_hold_alerts_back() {
    const HOUR_MS: u64 = 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<TestClock> = Arc::default();
    // A year ahead; the messages of an hour are used up.
    clock.1.store(365 * 24 * 3_600_000, Ordering::Relaxed);
    let world = World::open(folder.path(), &clock);
    for number in 0..8 {
        world.guess_name(&format!("user{number}"), 12);
    }
    world.audit.close();
    let sent = world.lines().iter().filter(|line| *line == "A2 firing").count();
    assert_eq!(sent, 8, "{:?}", world.lines());
    clock.1.store(0, Ordering::Relaxed);
    let world = World::open(folder.path(), &clock);
    world.pass(HOUR_MS + 60_000);
    world.inbox.wait("A2 resolved");
    // The ends of the alerts were messages, too.
    world.pass(HOUR_MS + 60_000);
    world.guess(12);
    let alert = world.inbox.wait("A2 firing");
    assert_eq!(alert.key.as_ref().unwrap().value, "ada");
    world.audit.close();
    let open = world.audit.alerts().unwrap().counts().open;
    assert_eq!(open, [0, 0, 1, 0], "the alerts of the future have ended");
}

#[test]
fn missing_note_is_an_alert_until_the_next_note() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let alerts = world.audit.alerts().unwrap();
    alerts.expect_notes();
    world.pass(181_000);
    let alert = world.inbox.wait("A13 firing");
    assert_eq!(alert.key.as_ref().map(|key| key.value.as_str()), Some("note"));
    assert_eq!(alert.severity, AlertSeverity::Critical);
    alerts.set_note(String::from("signed note"));
    assert_eq!(world.inbox.wait("A13 resolved").id, alert.id);
    world.audit.close();
}

#[test]
fn lines_that_standard_output_lost_are_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    world.audit.alerts().unwrap().set_stdout_lost(7);
    let alert = world.inbox.wait("A13 firing");
    assert_eq!(alert.key.as_ref().map(|key| key.value.as_str()), Some("stdout"));
    world.pass(11 * 60_000);
    assert_eq!(world.inbox.wait("A13 resolved").id, alert.id);
    world.audit.close();
}

#[test]
fn clock_that_is_set_is_a_record_and_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<TestClock> = Arc::default();
    let world = World::open(folder.path(), &clock);
    clock.1.fetch_sub(60_000, Ordering::Relaxed);
    let alert = world.inbox.wait("A16 firing");
    assert_eq!((alert.severity, alert.evidence.len()), (AlertSeverity::Medium, 1));
    world.audit.close();
    let records = log(folder.path());
    let record = records.iter().find(|record| record["rule"]["name"] == "clock_step").unwrap();
    assert_eq!(record["event"]["reason"], "back");
}

#[test]
fn deleted_log_is_an_alert_that_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    std::fs::remove_file(folder.path().join("security.log")).unwrap();
    world.audit.tick(world.clock.now());
    let alert = world.inbox.wait("A13 firing");
    assert_eq!(alert.key.as_ref().map(|key| key.value.as_str()), Some("log_replaced"));
    assert_eq!(alert.evidence.iter().filter_map(|one| one.sequence).count(), 1);
    world.audit.close();
}

#[test]
fn silence_is_an_alert_for_all_administrators() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let now = world.clock.now();
    let request = SilenceRequest {
        reason: String::from("load test"),
        by: String::from("bob"),
        until_unix_ms: now.unix_ms + 60_000,
        ..SilenceRequest::default()
    };
    let alerts = world.audit.alerts().unwrap();
    let silence = alerts.silence(request, now).unwrap();
    let alert = world.inbox.wait("A14 firing");
    assert_eq!(alert.key.as_ref().map(|key| key.value.as_str()), Some("bob"));
    assert!(alerts.unsilence(silence.id, "bob", now) && !alerts.unsilence(silence.id, "bob", now));
    world.audit.close();
}

#[test]
fn full_channel_is_counted_and_the_others_get_the_alert() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let full = Arc::new(Inbox { is_full: true, ..Inbox::default() });
    let alerts = world.audit.alerts().unwrap();
    alerts.add_sink(Arc::clone(&full) as Arc<dyn AlertSink>);
    world.guess(10);
    full.wait("A2 firing");
    world.inbox.wait("A2 firing");
    world.audit.close();
    let counts = alerts.counts();
    assert_eq!((counts.rejected, counts.messages), (1, 1));
    assert_eq!((counts.evaluated, counts.dropped), (10, 0));
}
