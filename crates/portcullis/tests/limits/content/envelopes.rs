//! Message numbers that only rise and ids that make a retry have one effect.
//! Never: an envelope that is nearly right and taken.

use portcullis_test::{PlainClient, hs256};
use serde_json::{Value, json};

use crate::clients::{Talk, alive, code_of, recorded, start, unlimited};

fn send(talk: &mut Talk<'_>, message: &str, envelope: &str) -> Value {
    let payload = format!("{{\"roomId\":\"ROOM\",\"message\":\"{message}\"}}");
    talk.ask_text(&format!("[\"chat:send\",{payload},{envelope}]"))
}

#[test]
fn undeclared_or_malformed_envelope_is_rejected() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "envelopes");
    let long = format!("{{\"mid\":\"{}\"}}", "m".repeat(65));
    let wrong = [
        "7",
        "\"mid\"",
        "[]",
        "[\"m\",1]",
        "{\"mid\":7}",
        "{\"mid\":\"\"}",
        "{\"mid\":\"a b\"}",
        "{\"mid\":\"../m\"}",
        "{\"mid\":[\"m\"]}",
        &long,
        "{\"mid\":\"m\",\"mid\":\"m\"}",
        "{\"seq\":\"1\"}",
        "{\"seq\":-1}",
        "{\"seq\":1.5}",
        "{\"seq\":9007199254740992}",
        "{\"seq\":01}",
        "{\"seq\":1,\"seq\":2}",
        "{\"id\":\"m\"}",
        "{\"__proto__\":{}}",
        "{},{}",
        "{},null",
    ];
    for envelope in wrong {
        let answer = send(&mut talk, "hi", envelope);
        assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{envelope}");
    }
    let fine = [
        "{}",
        "null",
        "{\"mid\":\"m-1\"}",
        "{\"mid\":null}",
        "{\"mid\":null,\"seq\":null,\"ts\":null,\"sig\":null}",
        "{\"mid\":\"m-2\",\"seq\":1.0}",
        "{\"seq\":0.2e1,\"mid\":null}",
    ];
    talk = Talk::new(&server, "envelopes-fine");
    for envelope in fine {
        let answer = send(&mut talk, "hi", envelope);
        assert_eq!(answer["ok"], true, "{envelope}: {answer}");
    }
    alive(&server);
}

/// Sends messages with these numbers, from a connection's first on; each is taken or is not.
fn numbers(talk: &mut Talk<'_>, steps: &[(u64, bool)]) {
    for (seq, fine) in steps {
        let answer = send(talk, "hi", &format!("{{\"seq\":{seq}}}"));
        assert_eq!(answer["ok"], *fine, "{seq}: {answer}");
        if !fine {
            assert_eq!(code_of(&answer), "REPLAY");
        }
    }
}

#[test]
fn t143_number_other_than_the_successor_is_a_replay() {
    let server = start(&unlimited());
    let last = 9_007_199_254_740_991;
    // Two wrong ones each, on a connection of their own: a third one ends it.
    let runs: [&[(u64, bool)]; 5] = [
        &[(0, false), (1, true), (2, true), (2, false), (3, true)],
        &[(2, false), (1, true), (3, false), (2, true)],
        &[(1, true), (2, true), (3, true), (1, false), (900, false), (4, true)],
        &[(last, false), (1, true), (0, false), (2, true)],
        &[(1, true), (last, false), (2, true)],
    ];
    for (run, steps) in runs.into_iter().enumerate() {
        numbers(&mut Talk::new(&server, &format!("numbers-{run}")), steps);
    }
    let mut talk = Talk::new(&server, "numbers-shared");
    // All events count on the same numbers; without one nothing is a replay.
    numbers(&mut talk, &[(1, true)]);
    assert_eq!(code_of(&talk.ask_text("[\"room:list\",{},{\"seq\":1}]")), "REPLAY");
    assert_eq!(send(&mut talk, "hi", "{}")["ok"], true);
    assert_eq!(talk.ask_text("[\"room:list\",{},{\"seq\":2}]")["ok"], true);
    recorded(&server, "replay");
    alive(&server);
}

#[test]
fn t143_unreadable_message_can_use_one_number() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "numbers-unread");
    numbers(&mut talk, &[(1, true)]);
    // The number of what cannot be read is not known, so the client may go on with the next.
    assert_eq!(code_of(&talk.ask_text("[\"chat:send\",{\"x\":1},{\"seq\":2}]")), "INVALID_MESSAGE");
    numbers(&mut talk, &[(4, false), (3, true), (5, false), (4, true)]);
    alive(&server);
}

#[test]
fn t143_third_replay_ends_the_connection() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "numbers-end");
    numbers(&mut talk, &[(1, true), (1, false), (1, false)]);
    talk.sender.send("420[\"room:list\",{},{\"seq\":1}]");
    assert_eq!(talk.sender.close_code(), Some(4429));
    recorded(&server, "replay");
    alive(&server);
}

#[test]
fn same_mid_has_one_effect_and_other_content_is_a_conflict() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "retries");
    let first = send(&mut talk, "one", "{\"mid\":\"m-1\"}");
    let again = send(&mut talk, "one", "{\"mid\":\"m-1\"}");
    assert_eq!(first["ok"], true);
    assert_eq!(first, again);
    let other = send(&mut talk, "two", "{\"mid\":\"m-1\"}");
    assert_eq!(code_of(&other), "IDEMPOTENCY_CONFLICT");
    let next = send(&mut talk, "three", "{\"mid\":\"m-2\"}");
    assert_eq!(next["seq"].as_u64(), first["seq"].as_u64().map(|seq| seq + 1));
    let received = [talk.receiver.event("chat:message"), talk.receiver.event("chat:message")];
    assert_eq!([&received[0]["message"], &received[1]["message"]], ["one", "three"]);
    recorded(&server, "mid");
    alive(&server);
}

#[test]
fn plain_messages_have_the_same_envelope_rules() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "plain-form");
    talk.say("hi");
    let mut plain = PlainClient::connect(&server, &hs256("plain-form"));
    let ask = |plain: &mut PlainClient, id: u64, envelope: &Value| {
        let data = json!({ "roomId": talk.room, "message": "hi" });
        let mut message = json!({ "event": "chat:send", "data": data, "id": id });
        let members = message.as_object_mut().unwrap();
        members.extend(envelope.as_object().unwrap().clone());
        plain.socket.send_text(&message.to_string());
        plain.wait_message(|message| message["id"] == id)
    };
    assert_eq!(ask(&mut plain, 100, &json!({ "seq": 1 }))["ok"], true);
    assert_eq!(ask(&mut plain, 101, &json!({ "seq": 1 }))["error"]["code"], "REPLAY");
    for (id, mid) in [(102, ""), (103, "a b"), (104, "a/b")] {
        let answer = ask(&mut plain, id, &json!({ "mid": mid }));
        assert_eq!(answer["error"]["code"], "INVALID_MESSAGE", "{mid:?}");
    }
    for wrong in ["\"seq\":\"6\"", "\"seq\":-1", "\"seq\":6.5", "\"mid\":7", "\"extra\":1"] {
        let mut plain = PlainClient::connect(&server, &hs256("plain-wrong"));
        plain.socket.send_text(&format!("{{\"event\":\"room:list\",\"id\":9,{wrong}}}"));
        assert_eq!(plain.socket.close_code(), Some(1002), "{wrong}");
    }
    alive(&server);
}
