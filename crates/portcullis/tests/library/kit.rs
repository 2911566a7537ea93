//! The public test kit: what it proves, and that it fails when it has to.
//! Never: a test of an application that passes because the kit looked away.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis::prelude::*;
use portcullis::testing::{ContextUse, Sockets, TestGate, TestServer, block_on};

/// `say {text}`: three in ten seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    text: String,
}

impl Event for Say {
    const NAME: &'static str = "say";
    const RULE: Rule =
        Rule { fields: &["text"], rate: Some(Rate::per(3, 10_000)), ..Rule::DEFAULT };
}

/// `close {}`: for moderators.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {}

impl Event for Close {
    const NAME: &'static str = "close";
    const RULE: Rule = Rule { access: Access::Role(Role::Moderator), ..Rule::DEFAULT };
}

async fn say(permit: Permit<Say>, context: Context) -> Result<Reply, Denial> {
    let room = RoomId::parse("tea").map_err(|_| Denial::Internal("room"))?;
    context.join(&room)?;
    context.others_in(&room).emit("said", &Payload::of(&json!({"text": permit.payload().text})))?;
    context.emit("echo", &Payload::of(&json!(1)))?;
    Ok(Reply::ok())
}

fn declare(server: &mut Server) -> Result<(), portcullis::Error> {
    server.on(say)?;
    server.on(|_permit: Permit<Close>, context: Context| async move {
        context.others().disconnect()?;
        Ok(Reply::ok())
    })?;
    server.namespace("/staff")?.role(Role::Moderator);
    server.route(Method::Get, "/status", |request| async move {
        request.verified()?;
        Ok(ApiResponse::json(200, &json!({"open": true})))
    });
    Ok(())
}

/// The text of the panic with which something fails.
fn failure(act: impl FnOnce()) -> String {
    let failed = catch_unwind(AssertUnwindSafe(act)).expect_err("it fails");
    failed.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn test_kit_clients_observe_the_server() {
    let server = TestServer::start(declare);
    let (mut ann, mut bob) = (server.connect("ann"), server.connect("bob"));
    bob.accepted("say", json!({"text": "first"}));
    ann.accepted("say", json!({"text": "second"}));
    assert_eq!(bob.event("said"), json!({"text": "second"}));
    assert_eq!((ann.received("said").len(), bob.received("said").len()), (0, 0));
    assert_eq!(ann.event("echo"), json!(1));
    for _ in 0..2 {
        ann.accepted("say", json!({"text": "again"}));
    }
    assert_eq!(ann.rejected("say", json!({"text": "x"}))["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(bob.received("said").len(), 2);

    assert_eq!(ann.rejected("close", json!({}))["code"], "forbidden");
    server.give_role("ann", Role::Moderator);
    ann.accepted("close", json!({}));
}

#[test]
fn tokens_of_the_kit_are_checked_like_any_other() {
    let server = TestServer::start(declare);
    let tokens = server.tokens();
    let refused =
        |token: &str| server.try_connect("/", token).err().unwrap()["data"]["code"].clone();
    assert_eq!(refused(&tokens.expired_token("ann")), "unauthorized");
    assert_eq!(refused("no token"), "unauthorized");
    let mut claims = tokens.claims("ann");
    claims["aud"] = json!("another");
    assert_eq!(refused(&tokens.token_with(&claims)), "unauthorized");
    let other = TestServer::start(declare);
    assert_eq!(refused(&other.tokens().token("ann")), "unauthorized");
    let staff = server.try_connect("/staff", &tokens.token("ann"));
    assert_eq!(staff.err().unwrap()["data"]["code"], "forbidden");

    assert_eq!(server.get("/status", None).status, 401);
    let answer = server.get("/status", Some(&tokens.token("ann")));
    assert_eq!((answer.status, answer.json()), (200, json!({"open": true})));
    assert_eq!(server.get("/nothing", None).status, 404);
}

#[test]
fn kit_fails_and_says_why() {
    let server = TestServer::start(declare);
    let mut ann = server.connect("ann");
    let text = failure(|| {
        let _answer = ann.accepted("say", json!({"text": 1}));
    });
    assert!(text.contains("INVALID_MESSAGE"), "{text}");
    let text = failure(|| {
        let _error = ann.rejected("say", json!({"text": "x"}));
    });
    assert!(text.starts_with("\"say\" is accepted"), "{text}");
    let text = failure(|| {
        let _client = server.connect_to("/staff", "ann");
    });
    assert!(text.contains("forbidden"), "{text}");
    let text = failure(|| drop(server.user_id("bob")));
    assert_eq!(text, "no user \"bob\" has connected");
    let text = failure(|| {
        drop(TestServer::start(|server| {
            declare(server)?;
            declare(server)
        }));
    });
    assert!(text.contains("event \"say\" is declared twice"), "{text}");
}

#[test]
fn permits_without_a_server_pass_the_same_checks() {
    let mut gate = TestGate::new();
    let permit = gate.permit::<Say>("ann", json!({"text": "hello"})).unwrap();
    assert_eq!(permit.user().id, gate.user("ann"));
    let (context, mut sent) = gate.context(&permit);
    let reply = block_on(say(permit, context)).unwrap();
    assert_eq!(reply.value(), json!({"ok": true}));
    let sent = sent.take();
    let room = RoomId::parse("tea").unwrap();
    assert!(matches!(&sent[0], ContextUse::Join(joined, _) if *joined == room), "{sent:?}");
    let ContextUse::Event { name, payload, to } = &sent[1] else { panic!("{sent:?}") };
    assert_eq!((name.as_str(), payload), ("said", &json!({"text": "hello"})));
    assert_eq!((&to.rooms, to.sockets), (&vec![room], Sockets::Others));
    let ContextUse::Event { name, to, .. } = &sent[2] else { panic!("{sent:?}") };
    assert_eq!((name.as_str(), to.sockets), ("echo", Sockets::This));

    let denial = gate.permit::<Say>("ann", json!({"text": 1})).unwrap_err();
    assert_eq!((denial.client_code(), denial.field()), ("INVALID_MESSAGE", Some("text")));
    assert!(gate.permit::<Say>("ann", json!({"text": "x"})).is_ok());
    let denial = gate.permit::<Say>("ann", json!({"text": "x"})).unwrap_err();
    assert_eq!(denial.client_code(), "RATE_LIMIT_EXCEEDED");
    gate.advance_ms(10_000);
    assert!(gate.permit::<Say>("ann", json!({"text": "x"})).is_ok());
    assert!(gate.permit::<Close>("ann", json!({})).is_err());
    gate.give_role("ann", Role::Moderator);
    assert!(gate.permit::<Close>("ann", json!({})).is_ok());
    assert!(gate.permit::<Close>("bob", json!({})).is_err());
}

#[test]
fn panics_of_the_kit_name_the_line_of_the_test() {
    type Check = fn(&TestServer, &mut TestGate);
    let (server, mut gate) = (TestServer::start(|_| Ok(())), TestGate::new());
    let checks: [Check; 3] = [
        |server, _| drop(server.user_id("missing")),
        |server, _| drop(server.connect_to("/missing", "ann")),
        |_, gate| drop(gate.user("")),
    ];
    for (number, check) in checks.into_iter().enumerate() {
        let found = std::sync::Arc::new(std::sync::OnceLock::new());
        let seen = std::sync::Arc::clone(&found);
        std::panic::set_hook(Box::new(move |panic| {
            let _first = seen.set(panic.location().map(|at| String::from(at.file())));
        }));
        let checked = std::panic::AssertUnwindSafe(|| check(&server, &mut gate));
        let panicked = std::panic::catch_unwind(checked);
        drop(std::panic::take_hook());
        assert!(panicked.is_err(), "{number}");
        let file = found.get().cloned().flatten().unwrap();
        assert!(file.ends_with("kit.rs"), "{number}: {file}");
    }
}
