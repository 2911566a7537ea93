//! Sections of the configuration as tables, for the summary of the settings in force.
//! Never: a secret.

use toml::{Table, Value};

/// A table with these keys.
pub(crate) fn section<'a>(keys: impl IntoIterator<Item = (&'a str, Value)>) -> Table {
    keys.into_iter().map(|(key, value)| (String::from(key), value)).collect()
}

/// A number as TOML writes it.
pub(crate) fn number(value: impl Into<u64>) -> Value {
    Value::Integer(i64::try_from(value.into()).unwrap_or(i64::MAX))
}
