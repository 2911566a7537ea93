//! Every key has a definition, and what is generated from the definitions is up to date.
//! Never: a list of keys that is maintained by hand.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::example::{example, value};
use super::key::{DefaultOf, Key, KeyPlace, Section, sections};
use super::order::position;
use super::reference::reference;
use super::schema::schema;
use super::source::{DEFAULT, DEFAULT_TEXT, ITEMS};
use crate::config::weakening::table::KEYS;

pub(super) fn all_sections() -> Vec<Section> {
    sections().unwrap()
}

pub(super) fn all_keys() -> Vec<Key> {
    all_sections().into_iter().flat_map(|section| section.keys).collect()
}

/// The keys of the table of weakenings, which has one row for each of these tables.
fn row(path: &str) -> &str {
    let tables = ["alert.rule", "alert.custom", "alert.channel"];
    tables.into_iter().find(|table| path.starts_with(table)).unwrap_or(path)
}

#[test]
fn every_key_of_the_file_has_a_definition_in_order() {
    let keys = all_keys();
    let mut rows: Vec<_> = keys.iter().map(|key| row(&key.path)).collect();
    rows.dedup();
    let mut defined = rows.clone();
    defined.sort_unstable();
    let mut expect: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
    expect.sort_unstable();
    assert_eq!(defined, expect);
    for key in &keys {
        assert!(position(&key.path).is_some(), "{} has no position in order.rs", key.path);
    }
    // Tables inside [alert] come after its own keys; all others are in the order of the table.
    let order: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
    let outside = |rows: &[&str]| -> Vec<String> {
        let outside = rows.iter().filter(|row| !row.starts_with("alert."));
        outside.map(|row| String::from(*row)).collect()
    };
    assert_eq!(outside(&rows), outside(&order));
}

/// The keys in the tables of a page, in its order, except those of tables inside `[alert]`.
fn documented(page: &str) -> Vec<String> {
    let mut section = None;
    let mut keys = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.strip_prefix("`[").and_then(|rest| rest.strip_suffix("]`"));
            section = name.map(|name| name.trim_matches(['[', ']']));
            keys.extend(
                section.filter(|name| ["access", "replay"].contains(name)).map(String::from),
            );
        } else if line.starts_with("### ") || line.starts_with("Keys of `[[alert") {
            section = None;
        }
        let cell = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"));
        if let (Some((name, _)), Some(section)) = (cell, section) {
            keys.push(format!("{section}.{name}"));
        }
    }
    keys.retain(|key| !key.starts_with("access.") && !key.starts_with("replay."));
    keys
}

#[test]
fn documentation_explains_every_key_in_the_same_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let expect: Vec<_> = KEYS.iter().map(|(key, _)| *key).filter(|key| *key != "profile").collect();
    assert_eq!(documented(&page), expect, "docs/configuration.md and weakening/table.rs differ");
}

#[test]
fn each_limit_names_its_key_of_the_configuration() {
    let keys: BTreeSet<_> = all_keys().into_iter().map(|key| key.path).collect();
    for limit in portcullis_model::Limit::ALL {
        let key = limit.config_key();
        // The rates of single events are a table.
        let is_defined =
            keys.iter().any(|known| *known == key || known.starts_with(&format!("{key}.")));
        assert!(is_defined, "{key}");
    }
}

#[test]
fn every_definition_is_a_sentence_and_has_a_default_or_an_example() {
    for section in all_sections() {
        let is_top = section.path.is_empty();
        assert!(is_top || section.description.ends_with('.'), "{}", section.path);
        for key in section.keys {
            let (path, text) = (&key.path, &key.description);
            assert!(text.len() > 10 && text.ends_with('.'), "{path}: {text:?}");
            assert!(!text.contains('|'), "{path}: {text:?}");
            if key.place == KeyPlace::File {
                assert!(!value(&key).is_null(), "{path} has neither a default nor an example");
            }
        }
    }
}

#[test]
fn schema_has_only_standard_keywords_and_describes_every_key() {
    let text = schema().unwrap();
    let root: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(root["$schema"], "http://json-schema.org/draft-07/schema#");
    for own in [DEFAULT, DEFAULT_TEXT, ITEMS, "null", "$ref"] {
        assert!(!text.contains(&format!("\"{own}\"")), "{own} in {text}");
    }
    let pointer = |path: &str| {
        let mut at = &root;
        for name in path.split('.') {
            let table = [at, &at["items"], &at["additionalProperties"]];
            let table = table.into_iter().find(|node| node["properties"].is_object()).unwrap();
            at = &table["properties"][name];
        }
        at
    };
    let mut with_default = 0;
    for key in all_keys() {
        let node = pointer(&key.path);
        let description = node["description"].as_str().unwrap_or_default();
        assert!(description.starts_with(&key.description), "{}: {node}", key.path);
        with_default += usize::from(!node["default"].is_null());
        match key.place {
            KeyPlace::File => assert!(node["type"].is_string(), "{}: {node}", key.path),
            KeyPlace::Elsewhere => assert!(node["not"].is_object(), "{}: {node}", key.path),
        }
    }
    assert!(with_default > 100, "{with_default}");
    let rate = pointer("rate.login_per_user");
    assert_eq!(rate["default"], "10/60s");
    assert_eq!(rate["type"], "string");
    let malicious = pointer("message.malicious")["description"].as_str().unwrap();
    let expect = "Default: `\"record\"`; in `strict` `\"refuse\"`.";
    assert!(malicious.ends_with(expect), "{malicious}");
    for table in ["listen", "token.issuer", "alert.rule", "alert.channel", "role"] {
        let node = pointer(table);
        let table = [node, &node["items"], &node["additionalProperties"]];
        assert!(table.iter().any(|node| node["additionalProperties"] == false), "{node}");
    }
}

#[test]
fn example_has_every_key_in_lines_of_100_characters() {
    let text = example().unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(line.is_empty() || line.starts_with(['#', '[']), "{line}");
    }
    let lines: BTreeSet<_> = text.lines().filter_map(|line| line.split_once(" = ")).collect();
    for key in all_keys().iter().filter(|key| key.place == KeyPlace::File) {
        let name = format!("#{}", key.name);
        let is_shown = lines.iter().any(|(before, _)| *before == name);
        let is_events = ["access", "replay"].contains(&key.path.as_str());
        assert!(is_shown || is_events, "{}", key.path);
    }
    let in_file =
        |key: &Key| key.place == KeyPlace::File && !matches!(key.default, DefaultOf::None);
    assert!(all_keys().iter().filter(|key| in_file(key)).count() > 100);
}

#[test]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, expect) in [
        ("docs/configuration-keys.md", reference().unwrap()),
        ("packaging/portcullis.example.toml", example().unwrap()),
    ] {
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(text == expect, "{name} is stale: run `cargo xtask reference`, and commit it");
    }
}
