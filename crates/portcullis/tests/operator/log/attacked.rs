//! Attacks on the log as a whole: files of another server, a clock that is set.
//! Never: a log that is called sound although it was exchanged.

use std::time::Duration;

use portcullis_test::{Config, ShiftedClock, SioClient, TestServer, hs256, until};
use serde_json::Value;

use crate::alert::alerts::guess;
use crate::alert::quiet_hours::{WITHOUT_OVERLOAD, log_in_memory, pass};
use crate::{done, start};

const DAY_MS: i64 = 86_400_000;

/// The exit code of `audit verify` with a key, and what it printed.
fn verify(server: &TestServer, key: &str) -> (Option<i32>, String) {
    let output = server.operate(&["audit", "verify", "--key", key.trim()], "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn log_and_state_of_another_server_are_not_sound_with_the_own_key() {
    let [mut own, mut other] = [(); 2].map(|()| start(&Config::default()));
    let key = done(&own, &["audit", "key"], "");
    for server in [&own, &other] {
        drop(SioClient::connect(server, &hs256("ann")));
    }
    assert!(own.terminate().success() && other.terminate().success());
    assert_eq!(verify(&own, &key).0, Some(0));
    for name in ["security.log", "audit-chain.state", "audit-chain.keys", "security-log.sequence"] {
        std::fs::copy(other.data().join(name), own.data().join(name)).unwrap();
    }
    let (code, text) = verify(&own, &key);
    assert_eq!(code, Some(4), "{text}");
    // Nor when the server has continued it.
    let own = own.crash_and_restart();
    drop(SioClient::connect(&own, &hs256("ann")));
    let (code, text) = verify(&own, &key);
    assert_ne!(code, Some(0), "{text}");
}

#[test]
fn clock_that_is_set_back_breaks_neither_the_log_nor_alerts() {
    let mut config = Config { more: String::from(WITHOUT_OVERLOAD), ..Config::default() };
    config.rate.push(String::from("login_per_user = \"1000/60s\""));
    let mut clock = ShiftedClock::install(&mut config);
    let _log = log_in_memory(&mut config);
    let server = start(&config);
    let key = done(&server, &["audit", "key"], "");
    let wait_for = |server: &TestServer, start: &str, state: &str| {
        let _alert = server.records.wait_for(|record: &Value| {
            record["rule"]["name"] == "alert"
                && record["event"]["reason"] == state
                && record["message"].as_str().is_some_and(|text| text.starts_with(start))
        });
    };
    guess(&server, "ann", 12);
    wait_for(&server, "A2 high", "firing");
    clock.set_wall(-DAY_MS);
    wait_for(&server, "A16 medium", "firing");
    assert_eq!(verify(&server, &key).0, Some(0));
    // A month more while it is stopped: its alerts, certificates and numbers are of the future.
    let mut server = server;
    assert!(server.terminate().success());
    clock.set_wall(-30 * DAY_MS);
    let server = server.crash_and_restart();
    guess(&server, "bob", 12);
    wait_for(&server, "A2 high", "firing");
    pass(&server, &mut clock, 11 * 60);
    wait_for(&server, "A2 high", "resolved");
    // Both alerts end, not only the one that began after the restart.
    until("the end of the alerts", || {
        let open = portcullis_test::counter(&server, "portcullis_alerts_open{severity=\"high\"}");
        clock.pass(Duration::from_secs(1));
        (open == 0).then_some(())
    });
    let (code, text) = verify(&server, &key);
    assert_eq!(code, Some(0), "{text}");
}
