//! The differences between two configurations, key by key.
//! Never: a secret; the tables contain none.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::reload::live::{is_live, is_right};

/// Longest value in a difference, in characters.
const VALUE_MAX_CHARS: usize = 200;

/// When a changed key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// At once.
    Now,
    /// At the next start of the server.
    Restart,
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The key, such as `rate.login_per_user`.
    pub(crate) key: String,
    /// The value in force, as in a configuration file; `None` if it is not set.
    pub(crate) old: Option<String>,
    /// The new value.
    pub(crate) new: Option<String>,
    /// When the new value takes effect.
    pub(crate) effect: Effect,
}

/// Every key of a table with its value. Tables in arrays are named by their `name` or `issuer`.
pub(crate) fn flatten(table: &Table) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    add("", table, &mut keys);
    keys
}

fn add(prefix: &str, table: &Table, keys: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => add(&key, inner, keys),
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for (number, item) in items.iter().enumerate() {
                    let Value::Table(inner) = item else { continue };
                    let named = ["name", "issuer"].into_iter().find_map(|name| inner.get(name));
                    let named = named.and_then(Value::as_str).map(String::from);
                    let item = named.unwrap_or_else(|| number.to_string());
                    add(&format!("{key}.{item}"), inner, keys);
                }
            }
            Value::Array(items) if items.is_empty() => {}
            _ => {
                keys.insert(key, value.clone());
            }
        }
    }
}

/// The keys that differ, in alphabetical order.
pub(crate) fn changes(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<Change> {
    changes_by(old, new, |key| is_live(key, old, new))
}

/// The same when the rights of roles need a restart.
pub(crate) fn changes_but_rights(
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) -> Vec<Change> {
    changes_by(old, new, |key| !is_right(key) && is_live(key, old, new))
}

fn changes_by(
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
    is_live: impl Fn(&str) -> bool,
) -> Vec<Change> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let differs = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differs
        .map(|key| Change {
            key: key.clone(),
            old: old.get(key).map(shown),
            new: new.get(key).map(shown),
            effect: if is_live(key) { Effect::Now } else { Effect::Restart },
        })
        .collect()
}

/// The configuration in force after a reload: keys that need a restart keep their values.
pub(crate) fn in_force(
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
    changes: &[Change],
) -> BTreeMap<String, Value> {
    let mut result = old.clone();
    for change in changes.iter().filter(|change| change.effect == Effect::Now) {
        match new.get(&change.key) {
            Some(value) => result.insert(change.key.clone(), value.clone()),
            None => result.remove(&change.key),
        };
    }
    result
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
