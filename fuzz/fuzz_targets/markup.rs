//! Message text: the output has only listed tags, for any input.
//! Never: another sanitiser; the output is checked byte by byte.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis_guard::{Directory, DirectoryLimits, Gate, GateOptions};

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let options = GateOptions {
        hosts: vec!["localhost".into()],
        origins: vec!["https://localhost".into()],
        rate_keys_max: 4_096,
        links_allowed: true,
        ..GateOptions::default()
    };
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    Gate::build(options, directory).expect("sound options")
});

const TAGS: [&str; 12] = [
    "b>",
    "i>",
    "em>",
    "strong>",
    "code>",
    "a href=\"https://",
    "/b>",
    "/i>",
    "/em>",
    "/strong>",
    "/code>",
    "/a>",
];

fuzz_target!(|raw: &str| {
    let Ok(clean) = GATE.authorization().clean_message("message", raw) else { return };
    assert!(!clean.text.is_empty());
    let Some(html) = &clean.html else { return };
    for (at, _) in html.match_indices('<') {
        let tag = &html[at + 1..];
        assert!(TAGS.iter().any(|allowed| tag.starts_with(allowed)), "{html}");
        if let Some(rest) = tag.strip_prefix("a href=\"") {
            let (_, rest) = rest.split_once('"').expect("an attribute ends");
            assert!(rest.starts_with(" rel=\"noopener noreferrer nofollow ugc\">"), "{html}");
        }
    }
    // Cleaning what is clean changes nothing.
    if let Ok(again) = GATE.authorization().clean_message("message", html) {
        assert_eq!(again, clean);
    }
});
