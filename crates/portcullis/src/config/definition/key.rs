//! Keys and sections of the file, in the order of the documentation.
//! Never: a table of the file without its keys.

use serde_json::Value;

use super::defaults::{Defaults, KeyDefault};
use super::order::position;
use super::source::{DEFAULT, DEFAULT_TEXT, Node, TableKind, declared, properties, table};
use crate::config::read::error::ConfigError;

/// A table of the file, and its keys.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Its path, such as `listen` or `token.issuer`; empty for keys before the first table.
    pub(super) path: String,
    pub(super) kind: SectionKind,
    pub(super) description: String,
    pub(super) keys: Vec<Key>,
}

/// The kinds of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// The keys before the first table.
    Top,
    /// A table with keys.
    Table(TableKind),
    /// A table whose keys are names of events.
    Events,
}

/// A key of the file.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Its path, such as `listen.public`.
    pub(super) path: String,
    /// Its name in the section.
    pub(super) name: String,
    pub(super) description: String,
    /// The type, in words.
    pub(super) kind: String,
    /// The permitted words; empty when all texts are permitted.
    pub(super) words: Vec<String>,
    pub(super) range: Option<(u64, u64)>,
    pub(super) default: DefaultOf,
    pub(super) example: Option<Value>,
    /// Whether the file can have it.
    pub(super) place: KeyPlace,
}

/// The default of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DefaultOf {
    /// Nothing.
    None,
    /// An error.
    Required,
    /// A value that depends on something else, in words.
    Text(String),
    Value(KeyDefault),
}

/// Where a key can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPlace {
    File,
    /// Not in the file: a secret, or a former name.
    Elsewhere,
}

/// All sections with their keys, in the order of the documentation.
pub(super) fn sections() -> Result<Vec<Section>, ConfigError> {
    let defaults = Defaults::read()?;
    let root = declared();
    let mut found = Vec::new();
    collect("", SectionKind::Top, &text(&root, "description"), &root, &defaults, &mut found);
    let first = |section: &Section| section.keys.first().and_then(|key| position(&key.path));
    found.sort_by_key(first);
    Ok(found)
}

/// Adds the section of a table, and those of the tables inside it.
fn collect(
    path: &str,
    kind: SectionKind,
    description: &str,
    node: &Node,
    defaults: &Defaults,
    found: &mut Vec<Section>,
) {
    let required = node.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|key| key == name));
    let mut keys = Vec::new();
    for (name, child) in properties(node) {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let description = text(child, "description");
        match table(child) {
            Some((kind, table)) => {
                let kind = SectionKind::Table(kind);
                collect(&inner, kind, &description, table, defaults, found);
            }
            None => {
                let mut key = read(&inner, name, child, defaults);
                if is_required(name) {
                    key.default = DefaultOf::Required;
                }
                if path.is_empty() && key.kind == "table" {
                    let (path, kind) = (inner, SectionKind::Events);
                    found.push(Section { path, kind, description, keys: vec![key] });
                } else {
                    keys.push(key);
                }
            }
        }
    }
    if keys.is_empty() {
        return;
    }
    keys.sort_by_key(|key| position(&key.path));
    let (path, description) = (String::from(path), String::from(description));
    found.push(Section { path, kind, description, keys });
}

/// Reads a key.
fn read(path: &str, name: &str, node: &Node, defaults: &Defaults) -> Key {
    let number = |keyword: &str| node.get(keyword).and_then(Value::as_u64);
    let example = node.get("examples").and_then(Value::as_array).and_then(|all| all.first());
    let place = match node.get("not") {
        Some(_) => KeyPlace::Elsewhere,
        None => KeyPlace::File,
    };
    Key {
        path: String::from(path),
        name: String::from(name),
        description: text(node, "description"),
        kind: kind(node),
        words: words(node),
        range: number("minimum").zip(number("maximum")),
        default: default(path, node, defaults),
        example: example.cloned(),
        place,
    }
}

/// What holds without a key: as declared, or else as computed.
pub(super) fn default(path: &str, node: &Node, defaults: &Defaults) -> DefaultOf {
    if let Some(Value::String(text)) = node.get(DEFAULT_TEXT) {
        return DefaultOf::Text(text.clone());
    }
    let declared = node.get(DEFAULT).map(KeyDefault::same);
    match declared.or_else(|| defaults.of(path)) {
        Some(default) => DefaultOf::Value(default),
        None => DefaultOf::None,
    }
}

fn text(node: &Node, keyword: &str) -> String {
    node.get(keyword).and_then(Value::as_str).map(String::from).unwrap_or_default()
}

/// The type in words.
fn kind(node: &Node) -> String {
    let item = || node.get("items").and_then(Value::as_object);
    let words = match node.get("type").and_then(Value::as_str) {
        Some("string") if node.contains_key("pattern") => "rate",
        Some("string") => "text",
        Some("integer") => "whole number",
        Some("boolean") => "`true` or `false`",
        Some("array") if item().is_some_and(|item| item.contains_key("properties")) => {
            "list of tables"
        }
        Some("array") => "list of texts",
        _ => "table",
    };
    String::from(words)
}

/// The permitted words of a text, or of the items of a list or table.
fn words(node: &Node) -> Vec<String> {
    let inner = |name: &str| node.get(name).and_then(|inner| inner.get("enum"));
    let all = node.get("enum").or_else(|| inner("items").or_else(|| inner("additionalProperties")));
    let all = all.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|word| word.as_str().map(String::from)).collect()
}

impl Key {
    /// The default in a sentence.
    pub(super) fn default_text(&self) -> String {
        match &self.default {
            DefaultOf::None => String::from("none"),
            DefaultOf::Required => String::from("required"),
            DefaultOf::Text(text) => text.clone(),
            DefaultOf::Value(value) => value.text(),
        }
    }

    /// The permitted values in a sentence, if not all values of the type are.
    pub(super) fn permitted(&self) -> Option<String> {
        if let Some((least, most)) = self.range {
            return Some(format!("{least} to {most}"));
        }
        let quoted = self.words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>();
        (!quoted.is_empty()).then(|| quoted.join(", "))
    }
}
