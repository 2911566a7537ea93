//! Sealed fields of events: what the handler and other clients get, rotation, swapped places.
//! Never: plain text outside `Sealed::open`.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis::prelude::*;
use portcullis::testing::{TestGate, TestServer};
use portcullis::{GateError, LoadState, SealFault};
use serde_json::Value;

/// `card:add {name, number, note?}`: the number and the note are sealed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddCard {
    name: String,
    number: Sealed<String>,
    note: Option<Sealed<Note>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
    priority: u8,
}

impl Event for AddCard {
    const NAME: &'static str = "card:add";
    const RULE: Rule = Rule {
        fields: &["name", "number", "note", "text", "priority"],
        sealed: &["/number", "/note"],
        replay: Replay::Mid,
        ..Rule::DEFAULT
    };

    fn clean(&mut self, _cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        self.number.edit(|number| {
            number.retain(|letter| letter != ' ');
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            let wrong = Denial::Schema { field: Some("number"), rule: "digits" };
            if is_number { Ok(()) } else { Err(wrong) }
        })
    }
}

fn keys() -> (FieldKeys, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (FieldKeys::create(directory.path()).unwrap(), directory)
}

fn place<'a>(user: &'a UserId, field: &'a str) -> SealedPlace<'a> {
    SealedPlace { namespace: "/", event: AddCard::NAME, user, room: None, field }
}

const CARD: &str = "4000 1234 5678 9010";

#[test]
fn handler_and_other_clients_get_a_field_sealed() {
    let (keys, _directory) = keys();
    let stored = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&stored);
    let builder = TestServer::builder().field_keys(keys.clone());
    let server = TestServer::start_with(builder, move |server| {
        server.on(move |permit: Permit<AddCard>, context: Context| {
            let card = permit.payload();
            assert!(!format!("{card:?}").contains("4000 1234"), "{card:?}");
            let added = json!({"name": card.name, "number": card.number, "note": card.note});
            let sent = context.others().emit("card:added", &Payload::of(&added));
            kept.lock().push((permit.user().id.clone(), card.number.to_bytes().unwrap()));
            async move { sent.map(|()| Reply::ok()) }
        })?;
        Ok(())
    });
    let (mut ann, mut bob) = (server.connect("ann"), server.connect("bob"));
    let note = json!({"text": "for trips", "priority": 1.0});
    let card = json!({"name": "blue", "number": CARD, "note": note});
    ann.accepted("card:add", card);
    let received = bob.event("card:added");
    assert!(!received.to_string().contains("40001234") && !received.to_string().contains("trips"));
    let (user, bytes) = stored.lock().pop().unwrap();
    let number = Sealed::<String>::from_bytes(bytes).open(&keys, &place(&user, "/number"));
    assert_eq!(number.unwrap(), "4000123456789010", "sealed after it was cleaned");
    let forwarded = Sealed::<Note>::parse(received["note"].as_str().unwrap()).unwrap();
    let note = forwarded.open(&keys, &place(&user, "/note")).unwrap();
    assert_eq!(note, Note { text: String::from("for trips"), priority: 1 });

    let wrong = [
        (json!({"name": "blue", "number": "4 secrets"}), "number"),
        (json!({"name": "blue", "number": 4}), "number"),
        (json!({"name": "blue"}), "number"),
        (json!({"name": "blue", "number": null}), "number"),
        (json!({"name": "blue", "number": [0, "4"]}), "number"),
        (json!({"name": "blue", "number": received["number"]}), "number"),
        (json!({"name": "blue", "number": "4", "note": {"text": "x"}}), "priority"),
        (
            json!({"name": "blue", "number": "4", "note": {"text": "x", "priority": 1, "y": 1}}),
            "note",
        ),
        (json!({"name": "blue", "number": "4", "extra": 1}), "extra"),
    ];
    for (payload, field) in wrong {
        let error = ann.rejected("card:add", payload.clone());
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("INVALID_MESSAGE"), &json!(field)),
            "{payload}: {error}"
        );
        assert!(!error.to_string().contains("secrets"), "{error}");
    }
    ann.accepted("card:add", json!({"name": "blue", "number": "4", "note": null}));
}

#[test]
fn records_and_rejections_omit_the_content_of_a_sealed_field() {
    let (keys, directory) = keys();
    let log = directory.path().join("security.log");
    let builder = Server::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .own_origin()
        .guards(|guards| guards.load = Some(LoadState::Normal))
        .field_keys(keys.clone())
        .audit_file(&log);
    let server = TestServer::start_with(builder, |server| {
        server.on(|permit: Permit<AddCard>, _context: Context| async move {
            let place = place(&permit.user().id, "/note");
            let (keys, _other) = self::keys();
            let number = permit.payload().number.open(&keys, &place)?;
            Ok(Reply::fields(&json!({"number": number})))
        })?;
        Ok(())
    });
    let mut ann = server.connect("ann");
    let mut seen = String::new();
    for number in [json!("4 plaintext"), json!(["plaintext"]), json!({"plaintext": "plaintext"})] {
        let card = json!({"name": "blue", "number": number});
        seen.push_str(&ann.rejected("card:add", card).to_string());
    }
    let card = json!({"name": "blue", "number": "4000", "note": {"text": "plaintext"}});
    seen.push_str(&ann.rejected("card:add", card).to_string());
    // Undeclared members of a sealed value: their names are part of it.
    let note = json!({"text": "x", "priority": 1, "plaintext": 1});
    let card = json!({"name": "blue", "number": "4000", "note": note});
    seen.push_str(&ann.rejected("card:add", card).to_string());
    // The handler opens the field with other keys, at another place.
    let error = ann.rejected("card:add", json!({"name": "blue", "number": "4000123456789010"}));
    assert_eq!((&error["code"], &error["message"]), (&json!("INTERNAL"), &json!("Internal error")));
    seen.push_str(&error.to_string());
    drop((ann, server));
    seen.push_str(&std::fs::read_to_string(&log).unwrap());
    assert!(seen.contains("card:add") && seen.contains("sealed_field_not_opened"), "{seen}");
    assert!(!seen.contains("plaintext") && !seen.contains("40001234"), "{seen}");
}

#[test]
fn sealed_field_opens_at_its_place_only() {
    let (keys, _directory) = keys();
    let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
    let (tea, milk) = (RoomId::parse("tea").unwrap(), RoomId::parse("milk").unwrap());
    let home = SealedPlace { room: Some(&tea), ..place(&ann, "/number") };
    let sealed = Sealed::seal(&keys, &home, &String::from("secret")).unwrap();
    assert_eq!(sealed.open(&keys, &home).unwrap(), "secret");
    let swapped = [
        SealedPlace { user: &bob, ..home },
        SealedPlace { room: Some(&milk), ..home },
        SealedPlace { room: None, ..home },
        SealedPlace { field: "/note", ..home },
        SealedPlace { event: "card:edit", ..home },
        SealedPlace { namespace: "/shop", ..home },
    ];
    for other in swapped {
        let error = sealed.open(&keys, &other).unwrap_err();
        assert_eq!(error, SealFault::Open, "{other:?}");
        assert!(error.to_string().contains("belongs to another"), "{error}");
    }
    let bytes = sealed.to_bytes().unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = Sealed::<String>::from_bytes(changed).open(&keys, &home);
        assert_eq!(changed, Err(SealFault::Open), "byte {at}");
    }
    for length in 0..bytes.len() {
        let cut = Sealed::<String>::from_bytes(bytes[..length].to_vec()).open(&keys, &home);
        assert_eq!(cut, Err(SealFault::Open), "{length} bytes");
    }
    let of_other_type = Sealed::<u32>::from_bytes(bytes).open(&keys, &home).unwrap_err();
    assert!(!of_other_type.to_string().contains("secret"), "{of_other_type}");
    for text in ["", "secret", "sealed1.", "sealed1.*", "sealed2.AAAA"] {
        let parsed = Sealed::<String>::parse(text).and_then(|sealed| sealed.open(&keys, &home));
        assert!(parsed.is_err(), "{text:?}");
    }
}

#[test]
fn rotated_keys_open_old_fields_until_the_old_key_is_removed() {
    let (keys, directory) = keys();
    let ann = UserId::parse("ann").unwrap();
    let place = place(&ann, "/number");
    let old = Sealed::seal(&keys, &place, &1_u32).unwrap();
    // The operator's command works on the same file beside the running server.
    let operator = FieldKeys::read(directory.path()).unwrap();
    let old_key = operator.ring().current_id();
    operator.ring().rotate(1_770_000_000_000).unwrap();
    let by_operator = Sealed::seal(&operator, &place, &2_u32).unwrap();
    assert_eq!(by_operator.open(&keys, &place), Ok(2), "the keyring is read again");
    assert_eq!(old.open(&keys, &place), Ok(1));
    assert!(!keys.is_current(&old.to_bytes().unwrap()));
    let value = old.open(&keys, &place).unwrap();
    let renewed = Sealed::seal(&keys, &place, &value).unwrap();
    assert!(keys.is_current(&renewed.to_bytes().unwrap()));
    keys.ring().retire(old_key).unwrap();
    assert_eq!(old.open(&keys, &place), Err(SealFault::Open));
    assert_eq!(renewed.open(&keys, &place), Ok(1));
    let (outsider, _other) = self::keys();
    assert_eq!(renewed.open(&outsider, &place), Err(SealFault::Open));
}

#[test]
fn sealed_value_survives_a_store_of_json_and_is_not_plain() {
    #[derive(Serialize, Deserialize)]
    struct Row {
        number: Sealed<String>,
    }
    let (keys, _directory) = keys();
    let ann = UserId::parse("ann").unwrap();
    let number = Sealed::seal(&keys, &place(&ann, "/number"), &String::from("4000")).unwrap();
    let stored = serde_json::to_string(&Row { number }).unwrap();
    let row: Row = serde_json::from_str(&stored).unwrap();
    assert_eq!(row.number.open(&keys, &place(&ann, "/number")).unwrap(), "4000");
    assert!(serde_json::from_str::<Row>(r#"{"number":"4000"}"#).is_err());
    assert!(serde_json::from_str::<Row>(r#"{"number":[0,"4000"]}"#).is_err());
}

#[test]
fn digest_of_a_message_does_not_depend_on_sealed_fields() {
    let (keys, _directory) = keys();
    let mut gate = TestGate::new().field_keys(&keys);
    let mut digest = |name: &str, number: &str| {
        let payload = json!({"name": name, "number": number});
        let permit = gate.permit_with::<AddCard>("ann", payload, json!({"mid": "m"})).unwrap();
        permit.digest().unwrap()
    };
    assert_eq!(digest("blue", "1"), digest("blue", "2"));
    assert_ne!(digest("blue", "1"), digest("red", "1"));
}

/// `card:kind {kind, number}`: a sealed field inside an enum with a tag, which no check finds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "every message of it is rejected")]
struct Hidden {
    kind: Kind,
    number: Sealed<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
#[expect(dead_code, reason = "every message of it is rejected")]
enum Kind {
    Gift { code: Sealed<String> },
}

impl Event for Hidden {
    const NAME: &'static str = "card:kind";
    const RULE: Rule = Rule { sealed: &["/number"], ..Rule::DEFAULT };
}

#[test]
fn client_cannot_mark_a_field_that_the_rule_does_not_name() {
    let (keys, _directory) = keys();
    let mut gate = TestGate::new().field_keys(&keys);
    for code in [json!("x"), json!([0, 0, "x"]), json!([0, "x"]), json!("sealed1.AAAA")] {
        let payload = json!({"kind": {"kind": "Gift", "code": code}, "number": "4"});
        let denial = gate.permit::<Hidden>("ann", payload).unwrap_err();
        assert_eq!(denial.client_code(), "INVALID_MESSAGE", "{code}");
    }
}

macro_rules! bad_event {
    ($type:ident, $field:ty, $sealed:expr) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "the event is rejected")]
        struct $type {
            number: $field,
        }

        impl Event for $type {
            const NAME: &'static str = "bad";
            const RULE: Rule = Rule { sealed: $sealed, ..Rule::DEFAULT };
        }
    };
}

bad_event!(NotSealed, String, &["/number"]);
bad_event!(NotNamed, Sealed<String>, &[]);
bad_event!(WrongName, Sealed<String>, &["/numbers"]);
bad_event!(InList, Vec<Sealed<String>>, &["/number"]);
bad_event!(Twice, Sealed<String>, &["/number", "/number"]);
bad_event!(OpenInside, Sealed<OpenNote>, &["/number"]);
bad_event!(Good, Sealed<String>, &["/number"]);

#[derive(Serialize, Deserialize)]
struct OpenNote {
    text: String,
}

#[test]
fn rule_and_payload_that_disagree_stop_the_start() {
    fn error<E: Event + Send + Sync>(keys: Option<&FieldKeys>) -> Option<GateError> {
        let builder = TestServer::builder();
        let builder = match keys {
            Some(keys) => builder.field_keys(keys.clone()),
            None => builder,
        };
        let mut server = builder.build().unwrap();
        server.on(|_permit: Permit<E>, _context: Context| async { Ok(Reply::ok()) }).err()
    }
    let (keys, _directory) = keys();
    let found = [
        error::<NotSealed>(Some(&keys)),
        error::<NotNamed>(Some(&keys)),
        error::<WrongName>(Some(&keys)),
        error::<InList>(Some(&keys)),
        error::<Twice>(Some(&keys)),
        error::<Good>(None),
    ];
    for (number, error) in found.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("case {number} is accepted"));
        assert!(matches!(error, GateError::SealedField { .. }), "case {number}: {error}");
    }
    let open = error::<OpenInside>(Some(&keys)).unwrap().to_string();
    assert!(open.contains("struct OpenNote"), "{open}");
    assert_eq!(error::<Good>(Some(&keys)), None);
}

#[test]
fn plain_value_is_not_readable_by_another_path() {
    let (keys, _directory) = keys();
    let mut gate = TestGate::new().field_keys(&keys);
    let permit = gate.permit::<AddCard>("ann", json!({"name": "blue", "number": "1"})).unwrap();
    let mut card = permit.into_payload();
    let edited = card.number.edit(|number| {
        number.push('1');
        Ok(())
    });
    assert_eq!(edited, Err(Denial::Internal("sealed_already")));
    let value: Value = serde_json::to_value(&card.number).unwrap();
    assert!(value.as_str().unwrap().starts_with("sealed1."));
}
