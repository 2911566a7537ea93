//! Quiet hours of a running server, whose clock the test moves.
//! Never: a night of waiting.

use std::time::Duration;

use portcullis_test::{Config, Request, ShiftedClock, TestServer, counter, now_s, until};
use serde_json::Value;

use crate::alert::alerts::guess;
use crate::alert::channels::{Receiver, channel};
use crate::start;

const DAY_S: i64 = 86_400;
const MINUTE_S: i64 = 60;
/// At most so much time passes at once: each signed note of the log is in time.
const STEP_S: u64 = 100;

/// A clock that jumps looks like a server that did nothing for so long: overload.
pub(crate) const WITHOUT_OVERLOAD: &str = "[alert.rule.A11]\nenabled = false\n";

/// The nightly audit, at a random minute, reports the limits that a test raises.
pub(crate) const WITHOUT_AUDIT: &str = "[alert.rule.A17]\nenabled = false\n";

/// Puts the security log into memory, where a sync takes no time: one during a jump of the clock
/// looks like a slow disk.
pub(crate) fn log_in_memory(config: &mut Config) -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = folder.path().join("security.log");
    config.more = format!("{}[audit]\nfile = {file:?}\n", config.more);
    folder
}

/// The wall clock of the server, in seconds of its day.
fn time_of_day_s(clock: &ShiftedClock) -> i64 {
    (now_s() + clock.wall_ahead_ms() / 1_000).rem_euclid(DAY_S)
}

/// Lets so many seconds pass; the server has noticed all of them.
pub(crate) fn pass(server: &TestServer, clock: &mut ShiftedClock, seconds: u64) {
    let mut left_s = seconds;
    while left_s > 0 {
        let step_s = left_s.min(STEP_S);
        left_s -= step_s;
        let mark = server.records.mark();
        clock.pass(Duration::from_secs(step_s));
        // A note is due every minute.
        if step_s > 60 {
            let is_note = |record: &Value| record["event"]["code"] == "log_checkpoint";
            let _note = server.records.wait_after(mark, is_note);
        }
        // The database has to be read again before a login.
        until("the server to be ready", || {
            (Request::get(server, "/ready").ask_private(server).status == 200).then_some(())
        });
    }
}

/// Waits for a record of an alert of a rule in a state.
fn wait_for(server: &TestServer, rule: &str, state: &str) -> Value {
    server.records.wait_for(|record| {
        record["rule"]["name"] == "alert"
            && record["event"]["reason"] == state
            && record["message"].as_str().is_some_and(|text| text.starts_with(rule))
    })
}

#[test]
fn quiet_hours_hold_less_severe_alerts_and_send_them_if_they_still_fire() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]);
    let quiet = "severities = [\"info\", \"medium\", \"high\", \"critical\"]\n\
                 quiet = \"22:00-07:00 Etc/UTC\"\nquiet_below = \"critical\"\n";
    let mut config = Config {
        more: channel(directory.path(), "night", receiver.address)
            + quiet
            + WITHOUT_OVERLOAD
            + WITHOUT_AUDIT,
        ..Config::default()
    };
    config.rate.push(String::from("login_per_user = \"1000/60s\""));
    let mut clock = ShiftedClock::install(&mut config);
    let log = log_in_memory(&mut config);
    // 06:40, and not ahead of the clock that checks the certificate.
    let since_s = (now_s() - (6 * 60 + 40) * MINUTE_S).rem_euclid(DAY_S);
    clock.set_wall(-since_s * 1_000);
    let server = start(&config);
    let waiting = || counter(&server, "portcullis_alert_messages_waiting");
    let received = || {
        let data = receiver.all().into_iter().map(|message| message.body["data"].clone());
        data.map(|data| format!("{} {}", data["rule"], data["key"]["value"])).collect::<Vec<_>>()
    };

    // An alert that begins and ends in the night is not sent.
    guess(&server, "ann", 12);
    wait_for(&server, "A2 high", "firing");
    until("the held message", || (waiting() == 1).then_some(()));
    pass(&server, &mut clock, 12 * 60);
    wait_for(&server, "A2 high", "resolved");
    until("the end of the held message", || (waiting() == 0).then_some(()));
    assert_eq!(received(), [""; 0]);

    // A critical alert is sent at once.
    guess(&server, "bob", 12);
    until("the other held message", || (waiting() == 1).then_some(()));
    std::fs::remove_file(log.path().join("security.log")).unwrap();
    until("the critical alert", || (!received().is_empty()).then_some(()));
    assert_eq!(received(), ["\"A13\" \"log_replaced\""]);
    assert!(time_of_day_s(&clock) < 7 * 60 * MINUTE_S, "it is still quiet");

    // What still fires is sent at the end.
    let left_s = u64::try_from(7 * 60 * MINUTE_S - time_of_day_s(&clock)).unwrap();
    pass(&server, &mut clock, left_s - 30);
    assert_eq!(received().len(), 1);
    pass(&server, &mut clock, 70);
    until("the message after the night", || (received().len() == 2).then_some(()));
    assert_eq!(received()[1], "\"A2\" \"bob\"");
    until("nothing to wait", || (waiting() == 0).then_some(()));
}
