//! The security log as an operator meets it: rotation from outside, unread outputs, a hanging disk.
//! Never: a server that does not stop on SIGTERM.

use std::path::Path;

use portcullis_test::{Config, Request, SioClient, TestServer, counter, hs256, until};
use serde_json::Value;

use crate::alert::alerts::guess;
use crate::start;

/// The records of a file; none while it is not there.
fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits until a file has a record of this code.
fn wait_for_code(path: &Path, code: &str) -> Value {
    until(code, || records(path).into_iter().find(|record| record["event"]["code"] == code))
}

/// Connects and leaves: two records.
fn connect(server: &TestServer) {
    drop(SioClient::connect(server, &hs256("ann")));
}

/// The records of a failed login, and of the alert about the address of 20 of them.
fn records_of_address(addresses: &str) -> [Value; 2] {
    let more = format!("[audit]\naddresses = \"{addresses}\"\n[alert.rule.A3]\ncount = 20\n");
    let server = start(&Config { more, ..Config::default() });
    // More than the 20 names of the rule: two of them can have the same fingerprint.
    for number in 0..25 {
        guess(&server, &format!("user{number}"), 1);
    }
    let log = server.data().join("security.log");
    // The alert counts by the whole address, in each form.
    let alert = until("the alert", || {
        records(&log).into_iter().find(|record| {
            record["event"]["code"] == "alert_fired" && record["labels"]["address"].is_string()
        })
    });
    [wait_for_code(&log, "authn_login_fail"), alert]
}

#[test]
fn addresses_are_recorded_in_the_configured_form() {
    for form in ["full", "prefix", "pseudonym"] {
        let [login, alert] = records_of_address(form);
        let (source, label) = (&login["source"], alert["labels"]["address"].as_str().unwrap());
        match form {
            "full" => {
                assert!(source["ip"] == "127.0.0.1" && source["port"].is_u64(), "{source}");
                assert_eq!(label, "127.0.0.1/32");
            }
            "prefix" => {
                assert_eq!(source, &serde_json::json!({ "ip": "127.0.0.0" }));
                assert_eq!(label, "127.0.0.0/24");
            }
            _ => {
                assert!(source["address"].as_str().unwrap().starts_with("p_"), "{source}");
                assert_eq!(source.as_object().unwrap().len(), 1, "{source}");
                assert!(label.starts_with("p_") && !label.contains('/'), "{label}");
            }
        }
    }
}

#[test]
fn t375_unread_outputs_stop_neither_records_nor_the_end() {
    let mut config = Config::default();
    // A busy operational log, on an output that is not read either.
    config.process.environment.push((String::from("RUST_LOG"), String::from("trace")));
    let mut server = start(&config);
    server.records.set_unread(true);
    let log = server.data().join("security.log");
    for _ in 0..150 {
        connect(&server);
    }
    // More than the pipe holds.
    let connected = |record: &&Value| record["event"]["code"] == "ws_connected";
    until("every record in the file", || {
        (records(&log).iter().filter(connected).count() == 150).then_some(())
    });
    assert!(std::fs::metadata(&log).unwrap().len() > 128 * 1024);
    assert!(server.terminate().success());
    let last = records(&log).pop().unwrap();
    assert!(records(&log).iter().any(|record| record["event"]["code"] == "sys_shutdown"), "{last}");
}

#[test]
fn hanging_log_file_does_not_keep_the_server_from_ending() {
    let mut config = Config::default();
    // A terminal that no program reads takes a few KiB, then writes wait.
    config.more.push_str("[audit]\nfile = \"/dev/ptmx\"\n");
    let mut server = start(&config);
    for _ in 0..150 {
        connect(&server);
    }
    assert_eq!(Request::get(&server, "/ready").ask_private(&server).status, 200);
    assert!(server.terminate().success());
}

#[test]
fn full_log_disk_is_named_by_readiness_and_metrics_while_users_are_served() {
    let mut config = Config::default();
    config.more.push_str("[audit]\nfile = \"/dev/full\"\n");
    let mut server = start(&config);
    let ready = || {
        let answer = Request::get(&server, "/ready").ask_private(&server);
        (answer.status, answer.json()["parts"]["security_log"] == "full")
    };
    until("the state of the log", || (ready() == (200, true)).then_some(()));
    let state = |name: &str| counter(&server, &format!("portcullis_log_state{{state=\"{name}\"}}"));
    assert_eq!((state("full"), state("ok")), (1, 0));
    connect(&server);
    let printed = server.records.wait_for(|record| record["event"]["code"] == "ws_connected");
    assert!(printed["event"]["sequence"].is_null(), "no file has it: {printed}");
    assert!(server.terminate().success());
}

// T-371
#[test]
fn t371_renamed_log_and_sighup_continue_in_a_new_file() {
    let server = start(&Config::default());
    connect(&server);
    let log = server.data().join("security.log");
    let old = server.data().join("security.log.1");
    wait_for_code(&log, "ws_connected");
    std::fs::rename(&log, &old).unwrap();
    server.signal("HUP");
    wait_for_code(&log, "sys_reload");
    connect(&server);
    wait_for_code(&log, "ws_connected");
    wait_for_code(&log, "log_rotated");
    let mut all = records(&old);
    all.extend(records(&log));
    let numbers: Vec<_> = all.iter().filter_map(|it| it["event"]["sequence"].as_u64()).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<_>>());
    assert!(all.iter().all(|record| record["event"]["code"] != "log_replaced"));
}

// T-371
#[test]
fn t371_deleted_and_truncated_logs_are_noticed_within_seconds() {
    let server = start(&Config::default());
    connect(&server);
    let log = server.data().join("security.log");
    wait_for_code(&log, "ws_connected");
    std::fs::remove_file(&log).unwrap();
    assert_eq!(wait_for_code(&log, "log_replaced")["event"]["reason"], "deleted");
    std::fs::write(&log, "").unwrap();
    assert_eq!(wait_for_code(&log, "log_replaced")["event"]["reason"], "truncated");
    let alert = wait_for_code(&log, "alert_fired");
    assert_eq!(alert["log"]["level"], "critical");
    assert!(alert["message"].as_str().unwrap().starts_with("A13 critical"), "{alert}");
    assert_eq!(counter(&server, "portcullis_log_lost_total"), 0);
}

#[test]
fn access_file_and_security_log_stay_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("access.log");
    let mut config = Config::default();
    for limit in ["message_per_connection", "message_per_user"] {
        config.rate.push(format!("{limit} = \"60000/60s\""));
    }
    config.rate.push(String::from("event_per_user = { \"room:list\" = \"60000/60s\" }"));
    config.more.push_str(&format!(
        "[audit]\nsegment_mib = 1\naccess_total_mib = 2\naccess_file = {:?}\n",
        trace.display().to_string()
    ));
    let mut server = start(&config);
    let mut client = SioClient::connect(&server, &hs256("ann"));
    let names = || folder.path().read_dir().unwrap().count();
    until("a closed file of the trace", || {
        for _ in 0..200 {
            let _answer = client.ask("room:list", &serde_json::json!({}));
        }
        (names() > 1).then_some(())
    });
    assert!(server.terminate().success());
    assert!(records(&trace).iter().all(|record| record["event"]["sequence"].is_u64()));
}
