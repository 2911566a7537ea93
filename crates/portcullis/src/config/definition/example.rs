//! An annotated configuration file: every key as a comment, with its description and default.
//! Never: a line that changes a setting before its `#` is removed.

use serde_json::Value;

use super::defaults::toml;
use super::key::{DefaultOf, Key, KeyPlace, Section, SectionKind, sections};
use super::source::TableKind;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// The longest line, in characters.
const WIDTH: usize = 100;
/// The name in the heading of a table that has names, such as `[alert.rule.A2]`.
const NAME: &str = "A2";
const HEADING: &str = "Every key of portcullis.toml, as a comment with its description and default.

To set a key, remove the `#` before it. A key that is left out has its default. Where profiles \
differ, the line has the default of `production`. Where a key has no default, it has an example.

After a change, run `portcullis check`. docs/configuration.md explains the keys. To write a short \
file with what your server needs, run `portcullis init`.";

/// The file.
pub(crate) fn example() -> Result<String, ConfigError> {
    let mut text = String::new();
    for paragraph in HEADING.split("\n\n") {
        if !text.is_empty() {
            text.push_str("#\n");
        }
        comment(&mut text, paragraph);
    }
    for section in sections()? {
        add_section(&mut text, &section);
    }
    Ok(text)
}

fn add_section(text: &mut String, section: &Section) {
    let path = &section.path;
    let heading = match section.kind {
        SectionKind::Top => None,
        SectionKind::Table(TableKind::One) | SectionKind::Events => Some(format!("[{path}]")),
        SectionKind::Table(TableKind::List) => Some(format!("#[[{path}]]")),
        SectionKind::Table(TableKind::Named) => Some(format!("#[{path}.{NAME}]")),
    };
    if let Some(heading) = heading {
        text.push('\n');
        text.push_str(&heading);
        text.push('\n');
        // The description of such a table is the one of its only key.
        if section.kind != SectionKind::Events {
            comment(text, &section.description);
        }
    }
    for key in section.keys.iter().filter(|key| key.place == KeyPlace::File) {
        text.push('\n');
        add_key(text, key, section.kind);
    }
}

fn add_key(text: &mut String, key: &Key, kind: SectionKind) {
    comment(text, &key.description);
    let value = value(key);
    let mut facts = match key.default {
        DefaultOf::Required => String::from("Required."),
        DefaultOf::None | DefaultOf::Text(_) | DefaultOf::Value(_) => {
            format!("Default: {}.", key.default_text())
        }
    };
    if let Some(permitted) = key.permitted() {
        facts.push_str(&format!(" Permitted: {permitted}."));
    }
    if let Some(example) = key.example.as_ref().filter(|example| **example != value) {
        facts.push_str(&format!(" Example: {}.", toml(example)));
    }
    comment(text, &facts.replace('`', ""));
    match (kind, &value) {
        (SectionKind::Events, Value::Object(events)) => {
            for (event, value) in events {
                text.push_str(&format!("#\"{event}\" = {}\n", toml(value)));
            }
        }
        (_, value) => text.push_str(&format!("#{} = {}\n", key.name, toml(value))),
    }
}

/// The value in the line of a key: its default, or else the example.
pub(super) fn value(key: &Key) -> Value {
    let default = match &key.default {
        DefaultOf::Value(default) => default.get(Profile::Production),
        DefaultOf::None | DefaultOf::Required | DefaultOf::Text(_) => None,
    };
    default.or(key.example.as_ref()).cloned().unwrap_or_default()
}

/// Adds a text as comments, in lines of at most [`WIDTH`] characters.
pub(super) fn comment(to: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            to.push_str(&line);
            to.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    to.push_str(&line);
    to.push('\n');
}
