//! Names, patterns, roles and hooks of namespaces; leaving them and coming back.
//! Never: an event that reaches another namespace.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis::Departure;
use portcullis::prelude::*;

use crate::served::{ServedApp, credential};

/// `say {}` in a document's namespace: all other clients in it receive `said`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {}

impl Event for Say {
    const NAME: &'static str = "say";
    const RULE: Rule = Rule::DEFAULT;
}

type Departures = Arc<Mutex<Vec<(String, &'static str, usize)>>>;

fn served(left: &Departures) -> ServedApp {
    let left = Arc::clone(left);
    ServedApp::start(move |server| {
        let mut documents = server.namespace("/doc-*")?;
        documents.on(|_permit: Permit<Say>, context: Context| async move {
            context
                .others()
                .emit("said", &Payload::of(&json!({"in": context.namespace.as_str()})))?;
            Ok(Reply::ok())
        })?;
        documents.on_connecting(|user, namespace| async move {
            let closed = namespace.as_str() == "/doc-closed" && user.name().as_ref() != "keeper";
            if closed { Err(Denial::Forbidden("closed")) } else { Ok(()) }
        });
        documents.on_connected(|context, payload| async move {
            assert!(payload.is_none(), "credentials are not handed to hooks");
            context.join(&RoomId::parse("all").unwrap())?;
            context.emit("welcome", &Payload::of(&json!({"socket": context.socket.to_string()})))
        });
        documents.on_disconnecting(move |departure: &Departure| {
            let name = departure.namespace.as_str().to_owned();
            left.lock().push((name, departure.reason, departure.rooms.len()));
        });
        server.namespace("/staff")?.role(Role::Moderator);
        Ok(())
    })
}

#[test]
fn pattern_creates_one_namespace_for_each_name() {
    let served = served(&Departures::default());
    let mut first = served.open();
    let mut second = served.open();
    for client in [&mut first, &mut second] {
        for name in ["/doc-1", "/doc-2"] {
            let joined = client.join_namespace(name, &credential("ann")).unwrap();
            let hello = client.wait_packet(|packet| packet.starts_with(&format!("42{name},")));
            assert!(hello.contains(joined["sid"].as_str().unwrap()), "{hello}");
        }
    }
    first.send(r#"42/doc-2,1["say",{}]"#);
    first.wait_packet(|packet| packet == r#"43/doc-2,1[{"ok":true}]"#);
    let response = second.wait_packet(|packet| packet.contains("said"));
    assert_eq!(response, r#"42/doc-2,["said",{"in":"/doc-2"}]"#);
    first.send(r#"42/doc-1,2["say",{}]"#);
    let response = second.wait_packet(|packet| packet.contains("said"));
    assert_eq!(response, r#"42/doc-1,["said",{"in":"/doc-1"}]"#);
}

#[test]
fn hook_or_role_rejection_keeps_the_connection() {
    let served = served(&Departures::default());
    let mut client = served.open();
    client.join_namespace("/doc-1", &credential("ann")).unwrap();
    for name in ["/doc-closed", "/staff"] {
        let refused = client.join_namespace(name, &credential("ann")).unwrap_err();
        assert_eq!(refused["data"]["code"], "forbidden", "{name}");
    }
    let outsider = client.join_namespace("/doc-2", &credential("bob"));
    assert_eq!(outsider.unwrap_err()["data"]["code"], "unauthorized");
    let mut keeper = served.open();
    assert!(keeper.join_namespace("/doc-closed", &credential("keeper")).is_ok());
}

#[test]
fn t_201_leaving_one_namespace_keeps_the_others() {
    let left = Departures::default();
    let served = served(&left);
    let mut client = served.open();
    client.join_namespace("/doc-1", &credential("ann")).unwrap();
    client.join_namespace("/doc-2", &credential("ann")).unwrap();
    client.send("41/doc-1,");
    client.send(r#"42/doc-2,1["say",{}]"#);
    client.wait_packet(|packet| packet == r#"43/doc-2,1[{"ok":true}]"#);
    assert_eq!(*left.lock(), [("/doc-1".to_owned(), "client namespace disconnect", 1)]);
    // An event for the one that was left is out of turn.
    client.send(r#"42/doc-1,2["say",{}]"#);
    assert_eq!(client.close_code(), Some(1002));
    assert_eq!(left.lock().last(), Some(&("/doc-2".to_owned(), "forced close", 1)));
}

#[test]
fn after_the_last_namespace_another_connect_may_come() {
    let served = served(&Departures::default());
    let mut client = served.connect("ann");
    client.send("41");
    assert!(client.join_namespace("/", &credential("ann")).is_ok());
    client.send("41");
    assert!(client.join_namespace("/doc-1", &credential("ann")).is_ok());
    assert_eq!(served.metric("slots_authenticated"), 1);
}

#[test]
fn namespace_over_the_limit_is_rejected() {
    let served = served(&Departures::default());
    let mut client = served.open();
    for number in 0..8 {
        let name = format!("/doc-{number}");
        assert!(client.join_namespace(&name, &credential("ann")).is_ok(), "{name}");
    }
    client.send(&format!("40/doc-8,{}", credential("ann")));
    assert_eq!(client.close_code(), Some(1002));
}

#[test]
fn unknown_namespace_is_rejected_by_its_name() {
    let served = served(&Departures::default());
    let mut client = served.connect("ann");
    for name in ["/nothing", "/doc-", "/doc-1/x"] {
        let refused = client.join_namespace(name, &credential("ann")).unwrap_err();
        assert_eq!(refused["message"], "Invalid namespace", "{name}");
    }
}
