//! The clock of a restored server: trusted as the backup says, also on another machine.
//! Never: a file of the log that is removed because the clock of a new machine is wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_audit::utc;
use portcullis_test::{Config, ShiftedClock, TestServer, until};

use crate::{done, names, start, text};

const DAY_MS: i64 = 24 * 60 * 60_000;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// The warning about a clock that is not trusted.
const WARNING: &str = "the clock may be wrong";

/// The file with the time at which a server ran last.
fn clock_file(server: &TestServer) -> PathBuf {
    server.data().join("security.log.clock")
}

/// The last time and the held time in the file, in milliseconds.
fn stored(server: &TestServer) -> Option<(i64, u64)> {
    let text = std::fs::read_to_string(clock_file(server)).ok()?;
    let mut lines = text.lines().skip(1);
    let mut number = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
    Some((number("seen ")?.parse().ok()?, number("held ")?.parse().ok()?))
}

/// Closes the file of a stopped server's log under the name of an earlier day; returns its time.
fn close_log(data: &Path, days_ago: i64) -> i64 {
    let log = std::fs::read_to_string(data.join("security.log")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let at = portcullis_audit::parse_utc(last["@timestamp"].as_str().unwrap()).unwrap();
    let day = utc(at - days_ago * DAY_MS)[..19].replace(['-', ':'], "");
    std::fs::rename(data.join("security.log"), data.join(format!("security-{day}Z-1.log")))
        .unwrap();
    at
}

/// Whether the closed file of the log is there.
fn has_old_file(server: &TestServer) -> bool {
    let names = names(&server.data());
    names.iter().any(|name| name.starts_with("security-2") && name.contains("Z-1.log"))
}

/// Waits until the server has applied the rules of retention once.
fn wait_for_retention(server: &TestServer) {
    // The old file stays and is compressed at the end, or it is removed.
    until("the rules of retention", || {
        let is_open = |name: &String| name.starts_with("security-2") && name.ends_with(".log");
        (!names(&server.data()).iter().any(is_open)).then_some(())
    });
}

/// A stopped server with a clock of its own and no data directory.
fn machine_with_clock() -> (TestServer, ShiftedClock) {
    let mut config = Config::default();
    let clock = ShiftedClock::install(&mut config);
    let mut server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config);
    assert!(server.terminate().success());
    std::fs::remove_dir_all(server.data()).unwrap();
    (server, clock)
}

/// A server whose log has a file of 60 days ago, and a backup of it with its keys.
fn backed_up(place: &Path) -> (TestServer, [PathBuf; 2]) {
    let mut server = start();
    until("the time of the log", || stored(&server));
    assert!(server.terminate().success());
    close_log(&server.data(), 60);
    let paths = ["backup", "keys"].map(|name| place.join(name));
    done(&server, &["backup", text(&paths[0]), "--keys", text(&paths[1])]);
    (server, paths)
}

#[test]
fn wrong_clock_of_another_machine_removes_no_file_after_a_restore() {
    let place = tempfile::tempdir().unwrap();
    let (source, [backup, keys]) = backed_up(place.path());
    let in_backup = std::fs::read_to_string(backup.join("log/security.log.clock")).unwrap();
    assert_eq!(in_backup, std::fs::read_to_string(clock_file(&source)).unwrap());
    let (machine, mut clock) = machine_with_clock();
    // Ahead by 31 days: the file of 60 days ago seems to be older than the 90 days of a file.
    clock.set_wall(31 * DAY_MS);
    done(&machine, &["restore", text(&backup), "--keys", text(&keys)]);
    let mode = std::fs::metadata(clock_file(&machine)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let machine = machine.crash_and_restart();
    wait_for_retention(&machine);
    assert!(has_old_file(&machine), "{:?}", names(&machine.data()));
    let (_, held_ms) = stored(&machine).unwrap();
    assert!(held_ms > 5 * 60 * 60_000, "{held_ms}");
    until("the warning", || machine.records.errors().contains(WARNING).then_some(()));

    // The operator sets it right within the six hours, after which it is trusted again.
    clock.set_wall(0);
    clock.pass(7 * HOUR);
    until("a clock that is trusted", || stored(&machine).filter(|(_, held_ms)| *held_ms == 0));
    let (before_ms, _) = stored(&machine).unwrap();
    clock.pass(2 * HOUR);
    until("the rules of the next hour", || stored(&machine).filter(|(at, _)| *at > before_ms));
    assert!(has_old_file(&machine), "{:?}", names(&machine.data()));
}

#[test]
fn right_clock_of_another_machine_is_trusted_after_a_restore() {
    let place = tempfile::tempdir().unwrap();
    let (mut source, [backup, keys]) = backed_up(place.path());
    let (machine, mut clock) = machine_with_clock();
    // The backup is a day old.
    clock.pass(24 * HOUR);
    done(&machine, &["restore", text(&backup), "--keys", text(&keys)]);
    let machine = machine.crash_and_restart();
    wait_for_retention(&machine);
    assert!(has_old_file(&machine));
    let (seen_ms, held_ms) = stored(&machine).unwrap();
    assert!(seen_ms >= stored(&source).unwrap().0 + DAY_MS && held_ms == 0);
    assert!(!machine.records.errors().contains(WARNING));

    // In place, the log stays, and so does the time at which it was written last.
    source = source.crash_and_restart();
    wait_for_retention(&source);
    assert!(source.terminate().success());
    let later = std::fs::read_to_string(clock_file(&source)).unwrap();
    assert_ne!(later, std::fs::read_to_string(backup.join("log/security.log.clock")).unwrap());
    done(&source, &["restore", text(&backup), "--replace"]);
    assert_eq!(std::fs::read_to_string(clock_file(&source)).unwrap(), later);
    let source = source.crash_and_restart();
    wait_for_retention(&source);
    assert!(!source.records.errors().contains(WARNING));
}
