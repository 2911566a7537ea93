//! The time that users wait while the disk of the security log is full; the test runs alone.
//! Never: two runs that are compared; both parts are of one server, in turn.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_test::{
    Config, Request, SioClient, TestServer, counter, hs256, sign_up, timed, until,
};
use serde_json::json;

use crate::{done, start};

/// Periods with a full disk, each after one with free space.
const PERIODS: usize = 4;
/// Messages of a period.
const MESSAGES: usize = 300;
/// Between two clients that cause records.
const RECORDS_EVERY: usize = 4;
/// The largest permitted p99 while the disk is full, in times of the p99 with free space.
const TIMES: u32 = 2;

/// A file system of its own, in memory.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` where mounting is not permitted.
    fn mount(folder: &'a Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder);
        let is_mounted = command.output().is_ok_and(|output| output.status.success());
        is_mounted.then_some(Self(folder))
    }

    /// Another program takes all free space.
    fn fill(&self) {
        let filled = std::fs::write(self.0.join("filler"), vec![1; 16 * 1024 * 1024]);
        assert!(filled.is_err(), "the disk is full");
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// A client that connects and leaves: two records. Each is another user, so that no limit is met.
fn make_records(server: &TestServer) {
    static USERS: AtomicUsize = AtomicUsize::new(0);
    let user = format!("user{}", USERS.fetch_add(1, Ordering::Relaxed));
    drop(SioClient::connect(server, &hs256(&user)));
}

/// The state of the log as operators see it.
fn wait_for_state(server: &TestServer, state: &str) {
    until(state, || {
        make_records(server);
        let ready = Request::get(server, "/ready").ask_private(server);
        assert_eq!(ready.status, 200, "users are served");
        (ready.json()["parts"]["security_log"] == state).then_some(())
    });
}

/// How long each of some messages took until it was acknowledged.
fn measure(server: &TestServer, client: &mut SioClient, room: &str) -> Vec<Duration> {
    let mut times = Vec::with_capacity(MESSAGES);
    for number in 0..MESSAGES {
        if number % RECORDS_EVERY == 0 {
            make_records(server);
        }
        let message = json!({ "roomId": room, "message": format!("text {number}") });
        let (answer, took) = timed(|| client.ask("chat:send", &message));
        assert_eq!(answer["ok"], true, "{answer}");
        times.push(took);
    }
    times
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

// T-373
#[test]
fn t373_p99_of_messages_is_at_most_twice_as_long_while_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        eprintln!("SKIPPED: this machine does not allow mounting a file system of 8 MiB");
        return;
    };
    let file = folder.path().join("security.log");
    let mut config = Config { more: format!("[audit]\nfile = {file:?}\n"), ..Config::default() };
    for limit in ["message_per_connection", "message_per_user"] {
        config.rate.push(format!("{limit} = \"100000/60s\""));
    }
    config.rate.push(String::from("event_per_user = { \"chat:send\" = \"100000/60s\" }"));
    let server = start(&config);
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let made = client.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
    let room = made["room"]["id"].as_str().unwrap();
    let (mut free, mut full) = (Vec::new(), Vec::new());
    for _ in 0..PERIODS {
        free.extend(measure(&server, &mut client, room));
        disk.fill();
        wait_for_state(&server, "full");
        full.extend(measure(&server, &mut client, room));
        disk.free();
        wait_for_state(&server, "ok");
    }
    let (free, full) = (p99(&mut free), p99(&mut full));
    println!("p99 with free space {free:?}, with a full disk {full:?}");
    assert!(full <= free * TIMES, "with free space {free:?}, with a full disk {full:?}");
    // Nothing was lost, and no number is missing.
    assert_eq!(counter(&server, "portcullis_log_lost_total"), 0);
    let key = done(&server, &["audit", "key"], "");
    let printed = done(&server, &["audit", "verify", "--key", key.trim()], "");
    assert!(printed.contains("sound"), "{printed}");
}
