//! What the sections of the file declare, as one JSON Schema with keywords of this program.
//! Never: a default that the server computes.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::config::read::file::File;

/// A default that is not in the output of `check`, because another key has to be set first.
pub(super) const DEFAULT: &str = "x-default";
/// A default that is not a fixed value, in words.
pub(super) const DEFAULT_TEXT: &str = "x-default-text";
/// Keywords for the items of a list, or for the values of a table.
pub(super) const ITEMS: &str = "x-items";

/// A schema or a part of it.
pub(super) type Node = Map<String, Value>;

/// The schema of the file, as the sections declare it.
pub(super) fn declared() -> Node {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<File>();
    let mut root = schema.as_object().cloned().unwrap_or_default();
    simplify(&mut root);
    root
}

/// The kinds of tables that a key can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableKind {
    /// `[listen]`.
    One,
    /// `[[role]]`.
    List,
    /// `[alert.rule.A2]`, by a name.
    Named,
}

/// The table that holds further keys, unless the node is a value.
pub(super) fn table(node: &Node) -> Option<(TableKind, &Node)> {
    // A value with an example is written in one line, whatever it consists of.
    if node.contains_key("examples") {
        return None;
    }
    let child = |name: &str| node.get(name).and_then(Value::as_object);
    let has_keys = |node: &&Node| node.contains_key("properties");
    let item = |name| child(name).filter(has_keys);
    if has_keys(&node) {
        return Some((TableKind::One, node));
    }
    let list = item("items").map(|node| (TableKind::List, node));
    list.or_else(|| item("additionalProperties").map(|node| (TableKind::Named, node)))
}

/// Keys of a table.
pub(super) fn properties(node: &Node) -> impl Iterator<Item = (&String, &Node)> {
    let properties = node.get("properties").and_then(Value::as_object);
    let all = properties.into_iter().flatten();
    all.filter_map(|(name, value)| Some((name, value.as_object()?)))
}

/// Removes what TOML does not have: null, widths of numbers, line breaks in texts.
fn simplify(node: &mut Node) {
    for keyword in ["format", "title", "default"] {
        node.remove(keyword);
    }
    if let Some(Value::Array(types)) = node.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            node.insert(String::from("type"), only);
        }
    }
    if let Some(Value::Array(words)) = node.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::String(text)) = node.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let of_items = node.remove(ITEMS);
    for (name, child) in node.iter_mut() {
        match (name.as_str(), child) {
            ("properties", Value::Object(children)) => {
                children.values_mut().filter_map(Value::as_object_mut).for_each(simplify);
            }
            ("items" | "additionalProperties", Value::Object(child)) => {
                simplify(child);
                if let Some(Value::Object(keywords)) = &of_items {
                    child.extend(keywords.clone());
                }
            }
            _ => {}
        }
    }
}
