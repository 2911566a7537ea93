//! The structure scan: what it lets pass, the JSON reader behind it reads in the same way.
//! Never: JSON of its own; `serde_json` is the judge.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_guard::json::scan;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let Ok(found) = scan(text) else { return };
    let value: Value = serde_json::from_str(text).expect("what the scan passes is JSON");
    let elements: Vec<Value> = value.as_array().cloned().unwrap_or_default();
    assert_eq!(found.items, elements.len());
    for (at, raw) in found.elements.iter().enumerate() {
        let raw = raw.map(|raw| serde_json::from_str::<Value>(raw).expect("an element is JSON"));
        assert_eq!(raw.as_ref(), elements.get(at));
    }
});
