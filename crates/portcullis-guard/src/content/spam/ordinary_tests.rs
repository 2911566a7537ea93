//! Ordinary messages of many kinds and scripts: none of them is spam, and none loses text.
//! Never: messages of real people; every line was written for this test.

use std::sync::Arc;

use crate::content::text;
use crate::directory::space::DirectoryLimits;
use crate::directory::tables::Directory;
use crate::gate::Gate;
use crate::gate_options::GateOptions;

const MESSAGES: &str = include_str!("../../../testdata/ordinary_messages.txt");
/// One false positive among this many is too much.
const RARE: usize = 1_000;

/// Each message with its kind.
fn messages() -> impl Iterator<Item = (&'static str, String)> {
    let lines = MESSAGES.lines().filter(|line| !line.starts_with("# "));
    lines.map(|line| {
        let (kind, escaped) = line.split_once('\t').unwrap();
        (kind, unescape(escaped))
    })
}

fn unescape(escaped: &str) -> String {
    let mut text = String::new();
    let mut letters = escaped.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, false) => text.push(letter),
            (_, true) => match letters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                other => text.extend(other),
            },
        }
    }
    text
}

fn gate() -> Gate {
    let options = GateOptions {
        hosts: vec![String::from("chat.example")],
        origins: vec![String::from("https://chat.example")],
        rate_keys_max: 1024,
        ..GateOptions::default()
    };
    Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
}

#[test]
fn t_139_ordinary_messages_are_not_rejected() {
    let policy = gate().policy.load();
    let mut count = 0;
    let mut rejected = Vec::new();
    for (kind, message) in messages() {
        count += 1;
        let mut cleaner = policy.cleaner();
        match cleaner.message("message", &message) {
            Ok(_) if cleaner.findings().malicious => rejected.push((kind, message, "malicious")),
            Ok(_) => {}
            Err(denial) => rejected.push((kind, message, denial.reason())),
        }
    }
    assert_eq!(count, 2_045);
    assert!(rejected.len() * RARE < count, "{rejected:#?}");
}

#[test]
fn t_131_ordinary_messages_are_shown_as_they_were_written() {
    let policy = gate().policy.load();
    for (kind, message) in messages() {
        let Ok(clean) = policy.cleaner().message("message", &message) else { continue };
        let source = text::normalise(&message).unwrap();
        if clean.html.is_none() {
            assert_eq!(clean.text, source, "{kind}: {message:?}");
        }
        // Formatting is rare: these lines write about markup.
        if let Some(html) = &clean.html {
            assert!(kind == "code" || kind == "text", "{kind}: {message:?} became {html:?}");
        }
    }
}
