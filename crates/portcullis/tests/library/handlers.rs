//! Handlers of applications: their operations, and faults that the server contains.
//! Never: another client that notices.

use std::path::Path;
use std::time::Duration;

use portcullis::LoadState;
use portcullis::prelude::*;
use portcullis::testing::TestServer;
use portcullis_test::until;
use serde_json::Value;

use crate::served::{ServedApp, builder};

macro_rules! bare_event {
    ($type:ident, $name:literal) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $type {}

        impl Event for $type {
            const NAME: &'static str = $name;
            const RULE: Rule = Rule::DEFAULT;
        }
    };
}

bare_event!(Panic, "panic");
bare_event!(PanicAtOnce, "panic:at-once");
bare_event!(Slow, "slow");
bare_event!(Fine, "fine");
bare_event!(Talk, "talk");
bare_event!(Wide, "wide");

fn served() -> ServedApp {
    let builder = builder().engine(|engine| engine.handler_timeout_ms = 200);
    ServedApp::start_with(builder, |server| {
        server.on(|_permit: Permit<Panic>, _context| async move {
            tokio::task::yield_now().await;
            panic!("a handler's bug")
        })?;
        server.on(|_permit: Permit<PanicAtOnce>, _context| {
            if true {
                panic!("a bug before the first await");
            }
            async { Ok(Reply::ok()) }
        })?;
        server.on(|_permit: Permit<Slow>, _context| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(Reply::ok())
        })?;
        server.on(|_permit: Permit<Fine>, _context| async { Ok(Reply::ok()) })?;
        server.on(|_permit: Permit<Talk>, context: Context| async move {
            for number in 0..3 {
                context.emit("said", &Payload::of(&json!({"number": number})))?;
            }
            Ok(Reply::ok())
        })?;
        server.on(|_permit: Permit<Wide>, context: Context| async move {
            context.emit("wide", &Payload::of(&json!({"text": "x".repeat(100_000)})))?;
            Ok(Reply::ok())
        })?;
        Ok(())
    })
}

#[test]
fn t_199_panic_ends_only_its_own_connection() {
    let served = served();
    let mut other = served.connect("other");
    for event in ["panic", "panic:at-once"] {
        let mut client = served.connect("clumsy");
        client.emit(event, &json!({}));
        assert_eq!(client.close_code(), Some(1011), "{event}");
        assert_eq!(other.ask("fine", &json!({}))["ok"], true, "{event}");
    }
    assert_eq!(served.connect("clumsy").ask("fine", &json!({}))["ok"], true);
}

#[test]
fn handler_over_its_timeout_is_cancelled_and_the_connection_stays() {
    let served = served();
    let mut client = served.connect("patient");
    let error = &client.ask("slow", &json!({}))["error"];
    assert_eq!((&error["code"], &error["outcome"]), (&json!("server_busy"), &json!("unknown")));
    assert_eq!(client.ask("fine", &json!({}))["ok"], true);
}

#[test]
fn acknowledgement_follows_the_events_of_its_handler() {
    let served = served();
    let mut client = served.connect("listener");
    for _ in 0..50 {
        client.send(r#"4277["talk",{}]"#);
        let answer = client.wait_packet(|packet| packet.starts_with("4377["));
        assert_eq!(answer, r#"4377[{"ok":true}]"#);
        let before: Vec<Value> = client
            .seen
            .drain(..)
            .map(|packet| serde_json::from_str::<Value>(&packet[2..]).unwrap()[1]["number"].clone())
            .collect();
        assert_eq!(before, [json!(0), json!(1), json!(2)]);
    }
}

#[test]
fn large_events_arrive_whole() {
    let served = served();
    let mut client = served.connect("reader");
    assert_eq!(client.ask("wide", &json!({}))["ok"], true);
    assert_eq!(client.event("wide")["text"].as_str().unwrap().len(), 100_000);
}

/// A server whose handler of `panic` panics, with a security log.
fn server_with_a_bug(log: &Path) -> TestServer {
    let builder = Server::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .own_origin()
        .guards(|guards| guards.load = Some(LoadState::Normal))
        .audit_file(log);
    TestServer::start_with(builder, |server| {
        server.on(|_permit: Permit<Fine>, _context| async { Ok(Reply::ok()) })?;
        server.on(|_permit: Permit<Panic>, _context| async move {
            tokio::task::yield_now().await;
            panic!("a handler's bug")
        })?;
        Ok(())
    })
}

#[test]
fn a12_handler_that_panics_alerts_and_is_critical_at_the_third_time() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("security.log");
    let server = server_with_a_bug(&log);
    let alerts = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let alerts = records.filter(|record| record["event"]["code"] == "alert_fired");
        alerts.map(|record| record["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wait_for = |start: &str| {
        until(start, || alerts().iter().any(|text| text.starts_with(start)).then_some(()));
    };
    let panic = |name: &str| {
        let mut client = server.connect(name);
        client.emit("panic", json!({}));
        assert_eq!(client.close_code(), Some(1011));
    };
    panic("ann");
    wait_for("A12 high: ");
    panic("bob");
    assert!(!alerts().iter().any(|text| text.starts_with("A12 critical: ")), "{:?}", alerts());
    panic("cyd");
    wait_for("A12 critical: ");
}

#[test]
fn record_of_a_panic_names_the_event() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("security.log");
    let server = server_with_a_bug(&log);
    let mut client = server.connect("clumsy");
    client.accepted("fine", json!({}));
    client.emit("panic", json!({}));
    assert_eq!(client.close_code(), Some(1011));
    drop((client, server));
    let log = std::fs::read_to_string(&log).unwrap();
    let record = log.lines().find(|line| line.contains("handler_panic")).unwrap();
    let record: Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["event"]["action"], "panic", "{record}");
}
