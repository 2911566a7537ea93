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
fn an_envelope_is_what_is_declared_or_refused() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "envelopes");
    let long = format!("{{\"mid\":\"{}\"}}", "m".repeat(65));
    let wrong = [
        "null",
        "7",
        "\"mid\"",
        "[]",
        "[\"m\",1]",
        "{\"mid\":null}",
        "{\"mid\":7}",
        "{\"mid\":\"\"}",
        "{\"mid\":\"a b\"}",
        "{\"mid\":\"../m\"}",
        "{\"mid\":[\"m\"]}",
        &long,
        "{\"mid\":\"m\",\"mid\":\"m\"}",
        "{\"seq\":null}",
        "{\"seq\":\"1\"}",
        "{\"seq\":-1}",
        "{\"seq\":1.0}",
        "{\"seq\":1.5}",
        "{\"seq\":1e3}",
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
    for envelope in ["{}", "{\"mid\":\"m-1\"}", "{\"seq\":0}"] {
        let answer = send(&mut talk, "hi", envelope);
        assert_eq!(answer["ok"], true, "{envelope}: {answer}");
    }
    alive(&server);
}

#[test]
fn a_number_that_does_not_rise_is_a_replay() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "numbers-rise");
    let steps = [(5, true), (5, false), (4, false), (0, false), (6, true), (900, true)];
    for (seq, fine) in steps {
        let answer = send(&mut talk, "hi", &format!("{{\"seq\":{seq}}}"));
        assert_eq!(answer["ok"], fine, "{seq}: {answer}");
        if !fine {
            assert_eq!(code_of(&answer), "REPLAY");
        }
    }
    let last = 9_007_199_254_740_991_u64;
    assert_eq!(send(&mut talk, "hi", &format!("{{\"seq\":{last}}}"))["ok"], true);
    assert_eq!(code_of(&send(&mut talk, "hi", &format!("{{\"seq\":{last}}}"))), "REPLAY");
    // Another event counts on the same numbers; without a number nothing is a replay.
    assert_eq!(code_of(&talk.ask_text("[\"room:list\",{},{\"seq\":7}]")), "REPLAY");
    assert_eq!(send(&mut talk, "hi", "{}")["ok"], true);
    recorded(&server, "replay");
    alive(&server);
}

#[test]
fn the_same_mid_has_one_effect_and_another_content_is_a_conflict() {
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
    let heard = [talk.receiver.event("chat:message"), talk.receiver.event("chat:message")];
    assert_eq!([&heard[0]["message"], &heard[1]["message"]], ["one", "three"]);
    recorded(&server, "mid");
    alive(&server);
}

#[test]
fn the_plain_form_has_the_same_rules() {
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
    assert_eq!(ask(&mut plain, 100, &json!({ "seq": 5 }))["ok"], true);
    assert_eq!(ask(&mut plain, 101, &json!({ "seq": 5 }))["error"]["code"], "REPLAY");
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
