//! Rejections of the application's own, and errors that a developer reads.
//! Never: an internal name in what the client reads.

use portcullis::prelude::*;
use portcullis::testing::TestServer;
use portcullis::{Error, GateError};

/// `buy {tickets}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Buy {
    tickets: u32,
}

impl Event for Buy {
    const NAME: &'static str = "buy";
    const RULE: Rule = Rule { fields: &["tickets"], ..Rule::DEFAULT };
}

fn server() -> TestServer {
    TestServer::start(|server| {
        server.on(|permit: Permit<Buy>, _context: Context| async move {
            match permit.payload().tickets {
                0 => Err(Denial::app("Nothing!", "A code outside the grammar")),
                1 => Err(Denial::app("forbidden", "A code of the protocol")),
                2 => Err(Denial::app("sold_out", "Only \"two\" <b>are</b> left\u{202e}\n")),
                _ => Ok(Reply::ok()),
            }
        })?;
        let mut shop = server.namespace("/shop")?;
        shop.on_connecting(|_user, _namespace| async {
            Err(Denial::app("shop_closed", "The shop opens at nine"))
        });
        server.route(Method::Post, "/buy", |_request| async {
            Err(Denial::app("SOLD_OUT", "Sold out"))
        });
        Ok(())
    })
}

#[test]
fn rejection_of_the_application_has_the_shape_of_every_other_one() {
    let server = server();
    let mut ann = server.connect("ann");
    let error = ann.rejected("buy", json!({"tickets": 2}));
    assert_eq!(error["code"], "sold_out");
    assert_eq!(error["message"], "Only \"two\" <b>are</b> left\\u{202e} ");
    assert!(error["ref"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    ann.emit("buy", json!({"tickets": 2}));
    let event = ann.event("error");
    assert_eq!((&event["code"], &event["event"]), (&json!("sold_out"), &json!("buy")));
    let refused = server.try_connect("/shop", &server.tokens().token("ann")).err().unwrap();
    assert_eq!(refused["message"], "The shop opens at nine");
    assert_eq!(refused["data"]["code"], "shop_closed");
    let answer = server.post("/buy", None, json!({}));
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("SOLD_OUT")));
}

#[test]
fn rejection_by_the_application_is_not_a_violation() {
    let server = server();
    let mut ann = server.connect("ann");
    // Ten violations in a minute end a connection.
    for _ in 0..15 {
        assert_eq!(ann.rejected("buy", json!({"tickets": 2}))["code"], "sold_out");
    }
    ann.accepted("buy", json!({"tickets": 3}));
}

#[test]
fn code_that_is_not_allowed_reads_as_an_internal_fault() {
    let server = server();
    let mut ann = server.connect("ann");
    for tickets in [0, 1] {
        let error = ann.rejected("buy", json!({"tickets": tickets}));
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!("INTERNAL"), &json!("Internal error"))
        );
    }
    ann.accepted("buy", json!({"tickets": 3}));
}

/// A payload whose inner struct lacks the attribute.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the server does not start")]
struct Careless {
    inner: Inner,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "the server does not start")]
struct Inner {
    text: String,
}

impl Event for Careless {
    const NAME: &'static str = "careless";
    const RULE: Rule = Rule::DEFAULT;
}

#[test]
fn errors_of_main_are_sentences() {
    let mut server = TestServer::builder().build().unwrap();
    let handle = |_permit: Permit<Careless>, _context: Context| async { Ok(Reply::ok()) };
    let open: Error = server.on(handle).unwrap_err().into();
    let text = format!("{open:?}");
    assert!(text.starts_with("event \"careless\", payload "), "{text}");
    assert!(
        text.ends_with(
            "::Careless: struct Inner takes members that it does not declare: add \
             #[serde(deny_unknown_fields)] to it"
        ),
        "{text}"
    );
    let twice = GateError::EventTwice(String::from("say"));
    assert_eq!(format!("{:?}", Error::from(twice.clone())), "event \"say\" is declared twice");
    assert_eq!(format!("{twice:?}"), "event \"say\" is declared twice");
    let missing = portcullis::FieldKeys::read(std::path::Path::new("/nowhere")).unwrap_err();
    let text = format!("{:?}", Error::from(missing));
    assert!(text.starts_with("/nowhere/field-keys.ring is not there"), "{text}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let again = TestServer::builder().listen(address).build().err().unwrap();
    let text = format!("{again:?}");
    assert_eq!(text.matches("in use").count(), 1, "{text}");
    assert!(text.starts_with("cannot listen on 127.0.0.1:"), "{text}");
}

/// `fail {with}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    with: u8,
}

impl Event for Fail {
    const NAME: &'static str = "fail";
    const RULE: Rule = Rule { fields: &["with"], ..Rule::DEFAULT };
}

const CLOSING: [Denial; 6] = [
    Denial::NotFound,
    Denial::TooLarge,
    Denial::Busy,
    Denial::ShareFull("rooms"),
    Denial::MediaType,
    Denial::Draining,
];

#[test]
fn denial_of_a_handler_is_an_answer_and_the_connection_goes_on() {
    let server = TestServer::start(|server| {
        server
            .on(|permit: Permit<Fail>, _context: Context| async move {
                let denial = CLOSING.get(usize::from(permit.payload().with));
                Err(denial.cloned().unwrap_or(Denial::SessionEnded("signed_out")))
            })
            .map_err(Error::from)
    });
    let mut ann = server.connect("ann");
    for with in 0..CLOSING.len() {
        let error = ann.rejected("fail", json!({"with": with}));
        assert!(error["code"].is_string(), "{error}");
    }
    ann.emit("fail", json!({"with": 99}));
    assert_eq!(ann.close_code(), Some(4401), "this one says that the session is over");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Odd {}

impl Event for Odd {
    const NAME: &'static str = "odd";
    const RULE: Rule = Rule::DEFAULT;
}

#[test]
fn reply_with_a_reserved_member_is_not_sent() {
    let server = TestServer::start(|server| {
        server
            .on(|_permit: Permit<Odd>, _context: Context| async move {
                Ok(Reply::fields(&json!({"ok": false, "error": 1})))
            })
            .map_err(Error::from)
    });
    assert_eq!(server.connect("ann").rejected("odd", json!({}))["code"], "INTERNAL");
}

#[test]
fn reserved_event_name_and_undefined_role_stop_the_start() {
    let mut server = TestServer::builder().build().unwrap();
    let mut namespace = server.namespace("/staff").unwrap();
    namespace.role(Role::Custom(5));
    let error = server.start().err().unwrap();
    assert_eq!(
        error.to_string(),
        "namespace \"/staff\" is for a role that is not defined: see RoleTable::define"
    );
}
