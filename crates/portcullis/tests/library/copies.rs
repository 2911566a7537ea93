//! Copies of a message with the same `mid`: one effect, the same answer.
//! Never: a handler that runs twice for one `mid`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use portcullis::prelude::*;
use portcullis::testing::TestServer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    cents: u32,
}

impl Event for Pay {
    const NAME: &'static str = "pay";
    const RULE: Rule = Rule { fields: &["cents"], replay: Replay::MidRequired, ..Rule::DEFAULT };
}

/// The same for a handler that stores the `mid` itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPayment {}

impl Event for StoredPayment {
    const NAME: &'static str = "pay:stored";
    const RULE: Rule = Rule { replay: Replay::Mid, ..Rule::DEFAULT };
    const STORES_MID: bool = true;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hang {}

impl Event for Hang {
    const NAME: &'static str = "hang";
    const RULE: Rule = Rule { replay: Replay::Mid, ..Rule::DEFAULT };
}

fn server() -> TestServer {
    let runs = Arc::new(AtomicU32::new(0));
    TestServer::start(move |server| {
        let counted = Arc::clone(&runs);
        server.on(move |permit: Permit<Pay>, _context: Context| {
            let run = counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                match permit.payload().cents {
                    0 => Err(Denial::app("no_money", format!("run {run}"))),
                    cents => Ok(Reply::fields(&json!({"run": run, "cents": cents}))),
                }
            }
        })?;
        server.on(|permit: Permit<StoredPayment>, _context: Context| async move {
            Ok(Reply::fields(&json!({"mid": permit.mid().map(|mid| mid.as_str().to_owned())})))
        })?;
        server.on(|_permit: Permit<Hang>, _context: Context| std::future::pending())?;
        Ok(())
    })
}

#[test]
fn copy_of_a_message_has_one_effect_and_the_same_answer() {
    let server = server();
    let mut ann = server.connect("ann");
    let first = ann.ask_with_mid("pay", json!({"cents": 5}), "m1");
    assert_eq!(first, json!({"ok": true, "run": 1, "cents": 5}));
    assert_eq!(ann.ask_with_mid("pay", json!({"cents": 5}), "m1"), first);
    let mut phone = server.connect("ann");
    assert_eq!(phone.ask_with_mid("pay", json!({"cents": 5}), "m1"), first, "another shard");
    let other = ann.ask_with_mid("pay", json!({"cents": 6}), "m1");
    assert_eq!(other["error"]["code"], "IDEMPOTENCY_CONFLICT");
    let bob = server.connect("bob").ask_with_mid("pay", json!({"cents": 5}), "m1");
    assert_eq!(bob["run"], 2, "a mid belongs to its user");
    assert_eq!(ann.ask_with_mid("pay", json!({"cents": 5}), "m2")["run"], 3);
    assert_eq!(ann.rejected("pay", json!({"cents": 5}))["field"], "mid");
}

#[test]
fn rejection_by_the_handler_is_kept_for_copies() {
    let server = server();
    let mut ann = server.connect("ann");
    for _ in 0..2 {
        let answer = ann.ask_with_mid("pay", json!({"cents": 0}), "m1");
        assert_eq!(answer["error"]["message"], "run 1");
    }
}

#[test]
fn handler_that_stores_the_mid_gets_every_copy() {
    let server = server();
    let mut ann = server.connect("ann");
    for payload in [json!({}), json!({}), json!(null)] {
        assert_eq!(ann.ask_with_mid("pay:stored", payload, "m1")["mid"], "m1");
    }
}

#[test]
fn copy_of_a_message_does_not_run_a_cancelled_handler_again() {
    let server = server();
    let mut ann = server.connect("ann");
    for code in ["server_busy", "server_busy"] {
        let error = ann.ask_with_mid("hang", json!({}), "m1")["error"].take();
        assert_eq!((&error["code"], &error["outcome"]), (&json!(code), &json!("unknown")));
    }
}

#[test]
fn event_without_a_payload_type_takes_no_replay_rule() {
    let mut server = TestServer::builder().build().unwrap();
    let mut main = server.namespace("/").unwrap();
    let rule = Rule { replay: Replay::MidRequired, ..Rule::DEFAULT };
    let error = main.danger_on_raw("raw", rule, |_, _| async { Ok(Reply::ok()) }).err().unwrap();
    assert!(error.to_string().contains("has no envelope"), "{error}");
}
