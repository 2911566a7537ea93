//! A clock that was set back while the server was stopped, as the next start reports it.
//! Never: the clock of the machine.

use portcullis_test::{Config, ShiftedClock, TestServer, sign_up, until};

const DAY_MS: i64 = 24 * 60 * 60_000;
const WARNING: &str = "behind the newest stored time";

#[test]
fn clock_that_was_set_back_before_a_start_is_a_warning_and_a_record() {
    let mut config = Config::plaintext();
    let mut clock = ShiftedClock::install(&mut config);
    let mut server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config);
    let _ann = sign_up(&server, "ann");
    assert!(server.terminate().success());
    assert!(!server.records.errors().contains(WARNING), "the clock is right");

    clock.set_wall(-30_000);
    let mut server = server.crash_and_restart();
    assert!(server.terminate().success());
    assert!(!server.records.errors().contains(WARNING), "small steps are normal");
    clock.set_wall(-DAY_MS);
    let mut server = server.crash_and_restart();
    let record = server.records.wait_for(|record| record["event"]["code"] == "clock_skew");
    assert_eq!(record["event"]["reason"], "back");
    assert_eq!(record["rule"]["name"], "clock_step");
    let message = record["message"].as_str().unwrap();
    assert!(message.contains(WARNING), "{message}");
    until("the warning", || {
        let errors = server.records.errors();
        let line = errors.lines().find(|line| line.contains(WARNING))?;
        assert!(line.contains("\"WARN\"") && line.contains("synchronize it (NTP)"), "{line}");
        // A day, and what has passed since.
        assert!(line.contains("the clock is 863") || line.contains("the clock is 862"), "{line}");
        Some(())
    });
    assert!(server.terminate().success());
    // The session of that time is still in the future, whatever the log has.
    std::fs::remove_file(server.data().join("security.log")).unwrap();
    let server = server.crash_and_restart();
    until("the session", || server.records.errors().contains("(a session)").then_some(()));
}
