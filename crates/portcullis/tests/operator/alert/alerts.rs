//! Alerts of a running server: what it records, measures, keeps over a restart.
//! Never: a channel; those have tests of their own.

use std::net::IpAddr;
use std::path::Path;

use portcullis_test::{Config, Connection, Request, TestServer, counter, register, set_up, until};
use serde_json::{Value, json};

use crate::{done, start};

pub(crate) fn guess(server: &TestServer, name: &str, times: usize) {
    for _ in 0..times {
        let body = json!({"username": name, "password": "a sentence that no user chose"});
        let _rejected = Request::post(server, "/auth/login", &body.to_string()).ask(server);
    }
}

/// The states of alerts of a rule, as the log has them.
fn states(log: &Path, title: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_rule = records.filter(|record| {
        record["rule"]["name"] == "alert"
            && record["message"].as_str().is_some_and(|text| text.starts_with(title))
    });
    of_rule.map(|record| String::from(record["event"]["reason"].as_str().unwrap())).collect()
}

// T-386
#[test]
fn t386_password_guessing_is_one_alert_also_after_a_restart() {
    let mut config = Config::default();
    let rates = ["login_per_user = \"1000/60s\"", "login_per_prefix = \"1000/60s\""];
    config.rate.extend(rates.map(String::from));
    let server = start(&config);
    let log = server.data().join("security.log");
    guess(&server, "ann", 12);
    until("the alert", || (!states(&log, "A2 high").is_empty()).then_some(()));
    let open = || counter(&server, "portcullis_alerts_open{severity=\"high\"}");
    until("the metric", || (open() == 1).then_some(()));
    assert!(counter(&server, "portcullis_alert_evaluations_total") >= 12);
    let fired = server.records.wait_for(|record| record["event"]["code"] == "alert_fired");
    assert_eq!((&fired["user"]["name"], &fired["event"]["kind"]), (&json!("ann"), &json!("alert")));
    assert!(fired["labels"]["alert"].as_str().unwrap().starts_with("al_"), "{fired}");
    let server = server.restart();
    guess(&server, "ann", 3);
    guess(&server, "bob", 12);
    until("the other alert", || (states(&log, "A2 high").len() == 2).then_some(()));
    assert_eq!(states(&log, "A2 high"), ["firing", "firing"], "one for each name");
}

#[test]
fn rules_of_the_configuration_fire_and_a_disabled_rule_is_recorded() {
    let mut config = Config::default();
    config.more.push_str(
        "[alert.rule.A2]\nenabled = false\n[[alert.custom]]\nname = \"lost\"\n\
         code = [\"malicious_excess_404\"]\nkey = \"prefix\"\ncount = 3\nwindow_s = 60\n\
         severity = \"medium\"\n",
    );
    let server = start(&config);
    let log = server.data().join("security.log");
    let record = server.records.wait_for(|record| {
        record["message"].as_str().is_some_and(|text| text.contains("A2 is disabled"))
    });
    assert_eq!(record["rule"]["name"], "weakened");
    for _ in 0..3 {
        assert_eq!(Request::get(&server, "/missing").ask(&server).status, 404);
    }
    until("the alert", || (states(&log, "lost medium") == ["firing"]).then_some(()));
    assert_eq!(states(&log, "A2"), [""; 0]);
}

// T-394
#[test]
fn t394_administrator_on_a_new_device_and_network_is_one_alert_each() {
    let server = start(&Config::default());
    let log = server.data().join("security.log");
    let password = "a plain long sentence of my own";
    let login = |name: &str, source: [u8; 4]| {
        let body = json!({"username": name, "password": password}).to_string();
        let mut connection = Connection::open_from(&server, IpAddr::from(source));
        let request = Request::post(&server, "/auth/login", &body);
        assert_eq!(request.ask_on(&mut connection).status, 200);
    };
    let root = set_up(&server, "root");
    assert_eq!(register(&server, "ann", password).status, 201);
    for source in [[127, 0, 1, 7], [127, 0, 2, 7]] {
        login("ann", source);
    }
    for source in [[127, 0, 1, 7], [127, 0, 1, 9], [127, 0, 1, 7]] {
        login("root", source);
    }
    until("the alert", || (!states(&log, "F1 high").is_empty()).then_some(()));
    done(&server, &["user", "grant", "ann", "moderator"], "");
    until("the change of roles", || (!states(&log, "A14 high").is_empty()).then_some(()));
    assert_eq!((states(&log, "F1").len(), states(&log, "F2 high").len()), (1, 1));
    let fired = server.records.wait_for(|record| {
        record["message"].as_str().is_some_and(|text| text.starts_with("F1 high"))
    });
    assert_eq!(fired["user"]["id"], json!(root.id));
}
