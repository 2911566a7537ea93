//! The plain JSON form: what is read can be answered in sound JSON.
//! Never: the payload inside; that is the target `json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::plain::{decode_plain, plain_event, plain_reply};
use serde_json::Value;

fuzz_target!(|text: &str| {
    let Ok(message) = decode_plain(text) else { return };
    assert!((1..=128).contains(&message.event.len()));
    if let Some(id) = message.id {
        assert!(id.as_json().len() <= 66);
        let reply = plain_reply(id.as_json(), r#"{"ok":true}"#);
        let reply: Value = serde_json::from_str(&reply).expect("a reply is JSON");
        assert_eq!(reply["ok"], Value::Bool(true));
    }
    let written = plain_event(message.event, "{}");
    assert_eq!(decode_plain(&written).map(|again| again.event), Ok(message.event));
});
