//! Environment variables `PORTCULLIS__SECTION__KEY`, which override the file.
//! Never: an unknown variable with this prefix, or a secret that is not text.

use std::ffi::OsString;

use serde::Deserialize;
use toml::{Table, Value};

use crate::config::read::error::ConfigError;
use crate::config::read::file::File;

/// The prefix of the variables.
const PREFIX: &str = "PORTCULLIS__";
/// The beginning of a variable that misses one `_`.
const SHORT_PREFIX: &str = "PORTCULLIS_";
/// Most names in one variable: `token`, `issuer`, `0`, `secret_file`.
const DEPTH_MAX: usize = 4;
/// The key whose value is a secret.
const SECRET: &str = "secret";

/// The variables with the prefix, sorted so that list items are in order.
pub(crate) fn with_prefix(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in all {
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with(PREFIX) {
            reject_misspelt(name)?;
            continue;
        }
        let value = value.into_string().map_err(|_| {
            ConfigError::refused(
                name,
                "not UTF-8",
                "no key accepts these bytes",
                "write plain text",
            )
        })?;
        variables.push((String::from(name), value));
    }
    variables.sort();
    Ok(variables)
}

/// Applies the variables to the table of the file, one after the other, and reads the result.
///
/// A value that is TOML of the type of the key (`5`, `true`, `["a"]`) is read as that type, other
/// values as text.
pub(crate) fn overlay(
    mut table: Table,
    mut file: File,
    variables: &[(String, String)],
) -> Result<(Table, File), ConfigError> {
    for (name, text) in variables {
        let path = path(name)?;
        let plain = Value::String(text.clone());
        let typed = match (path.last().map(String::as_str), text.parse::<Value>()) {
            (Some(SECRET), _) | (_, Err(_)) => plain.clone(),
            (_, Ok(typed)) => typed,
        };
        match try_value(&table, &path, typed, name)? {
            Ok((next, read)) => (table, file) = (next, read),
            Err(first) => match try_value(&table, &path, plain, name)? {
                Ok((next, read)) => (table, file) = (next, read),
                Err(_) => return Err(ConfigError::variable(name, &first)),
            },
        }
    }
    Ok((table, file))
}

type ReadResult = Result<(Table, File), toml::de::Error>;

fn try_value(
    table: &Table,
    path: &[String],
    value: Value,
    name: &str,
) -> Result<ReadResult, ConfigError> {
    let mut table = table.clone();
    let Some((first, rest)) = path.split_first() else { return Err(no_key(name)) };
    let entry = table.entry(first.clone()).or_insert_with(|| empty(rest));
    place(entry, rest, value).ok_or_else(|| no_key(name))?;
    Ok(File::deserialize(table.clone()).map(|file| (table, file)))
}

fn path(name: &str) -> Result<Vec<String>, ConfigError> {
    let words = name.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
    let path: Vec<String> = words.split("__").map(String::from).collect();
    let is_option = matches!(words.as_str(), "data" | "config");
    if path.len() > DEPTH_MAX || path.iter().any(String::is_empty) || is_option {
        return Err(no_key(name));
    }
    Ok(path)
}

/// Sets the value at a path; `None` when a step of the path is not a table or a list.
fn place(here: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((name, rest)) = path.split_first() else {
        *here = value;
        return Some(());
    };
    match here {
        Value::Table(table) => {
            place(table.entry(name.clone()).or_insert_with(|| empty(rest)), rest, value)
        }
        Value::Array(items) => {
            let index: usize = name.parse().ok()?;
            if index == items.len() {
                items.push(empty(rest));
            }
            place(items.get_mut(index)?, rest, value)
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => None,
    }
}

/// The value of a missing step: a list when the next name is a number, otherwise a table.
fn empty(rest: &[String]) -> Value {
    let number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    if rest.first().is_some_and(number) {
        Value::Array(Vec::new())
    } else {
        Value::Table(Table::new())
    }
}

/// Rejects a variable that is meant for the server: in lower case, or with one `_` for two.
fn reject_misspelt(name: &str) -> Result<(), ConfigError> {
    let upper = name.to_ascii_uppercase();
    let is_meant = match upper.strip_prefix(PREFIX) {
        Some(_) => true,
        // Other variables of this name, such as PORTCULLIS_HOME, are of other programs.
        None => upper.strip_prefix(SHORT_PREFIX).is_some_and(|rest| rest.contains("__")),
    };
    if !is_meant {
        return Ok(());
    }
    let words = upper.strip_prefix(PREFIX).or_else(|| upper.strip_prefix(SHORT_PREFIX));
    let right = format!("{PREFIX}{}", words.unwrap_or_default());
    let why = "the server would not read a variable of this name";
    Err(ConfigError::refused(name, "set", why, format!("write {right}, or remove it")))
}

fn no_key(name: &str) -> ConfigError {
    let option = match name.strip_prefix(PREFIX) {
        Some("DATA") => Some("write --data on the command line"),
        Some("CONFIG") => Some("write --config on the command line"),
        _ => None,
    };
    let usual = "write PORTCULLIS__SECTION__KEY, list items by number from 0";
    ConfigError::refused(name, "set", "no key has this name", option.unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, variables: &[(&str, &str)]) -> Result<(Table, File), String> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (format!("{PREFIX}{name}"), String::from(*value)))
            .collect();
        let table = file.parse().unwrap();
        overlay(table, File::default(), &variables).map_err(|error| error.to_string())
    }

    #[test]
    fn variable_overrides_the_file_with_the_type_of_its_key() {
        let cases: [(&str, &str, Value); 9] = [
            ("CAPACITY__CONNECTIONS_TOTAL", "7", Value::Integer(7)),
            ("TRANSPORT__WEBSOCKET", "true", Value::Boolean(true)),
            ("ORIGIN__ALLOWED", "[\"https://a.example\"]", vec!["https://a.example"].into()),
            ("LISTEN__PUBLIC", "127.0.0.1:1", "127.0.0.1:1".into()),
            ("LISTEN__PUBLIC", "\"127.0.0.1:1\"", "127.0.0.1:1".into()),
            ("ACCOUNTS__ISSUER", "2027", "2027".into()),
            ("ACCOUNTS__ISSUER", "1\nissuer = 2", "1\nissuer = 2".into()),
            ("STORE__URL", "", "".into()),
            ("RATE__EVENT_PER_USER", "{ a = \"1/s\" }", {
                Value::Table([(String::from("a"), "1/s".into())].into_iter().collect())
            }),
        ];
        for (name, text, expect) in cases {
            let (table, _file) =
                read("[capacity]\nconnections_total = 1", &[(name, text)]).unwrap();
            let (section, key) = name.split_once("__").unwrap();
            let seen = &table[&section.to_lowercase()][&key.to_lowercase()];
            assert_eq!(*seen, expect, "{name}={text}");
        }
        let (_table, file) = read("profile = \"strict\"", &[("PROFILE", "production")]).unwrap();
        assert_eq!(file.profile.as_deref(), Some("production"));
    }

    #[test]
    fn list_items_are_numbered_and_secrets_stay_text() {
        let variables = [
            ("TOKEN__ISSUER__0__AUDIENCE", "portcullis"),
            ("TOKEN__ISSUER__0__SECRET", "12345"),
            ("TOKEN__ISSUER__1__SECRET_FILE", "hs256.key"),
        ];
        let (_table, file) = read("", &variables).unwrap();
        let [first, second] = file.token.issuer.as_slice() else { panic!("two issuers") };
        assert_eq!(first.audience.as_deref(), Some("portcullis"));
        assert_eq!(first.secret.as_ref().map(|secret| secret.expose().as_str()), Some("12345"));
        assert_eq!(second.secret_file.as_deref().and_then(|path| path.to_str()), Some("hs256.key"));
    }

    #[test]
    fn t273_unknown_variable_or_value_stops_the_start() {
        let cases = [
            ("ORGIN__ALLOWED", "[]", "did you mean `origin`?"),
            ("ORIGIN__ALOWED", "[]", "did you mean `allowed`?"),
            ("CAPACITY__CONNECTIONS_TOTAL", "many", "invalid type"),
            ("CAPACITY__CONNECTIONS_TOTAL", "-1", "-1"),
            ("A__B__C__D__E", "1", "no key has this name"),
            ("LISTEN____PUBLIC", "1", "no key has this name"),
            ("", "1", "no key has this name"),
            ("TOKEN__ISSUER__7__ISSUER", "1", "no key has this name"),
            ("PROFILE__X__Y", "1", "PROFILE__X__Y"),
        ];
        for (name, text, expect) in cases {
            let error = read("", &[(name, text)]).err().unwrap_or_default();
            assert!(error.contains(expect) && error.contains(PREFIX), "{name}={text}: {error}");
        }
    }

    #[test]
    fn misspelt_variable_is_rejected_with_the_right_name() {
        let read = |name: &str| {
            let pair = (OsString::from(name), OsString::from("1"));
            with_prefix(std::iter::once(pair)).map(|found| found.len()).map_err(|e| e.to_string())
        };
        for name in ["PORTCULLIS_LISTEN__PUBLIC", "portcullis__listen__public"] {
            let text = read(name).unwrap_err();
            assert!(text.contains("write PORTCULLIS__LISTEN__PUBLIC"), "{text}");
        }
        for name in ["PORTCULLIS_BIN", "PORTCULLIS", "portcullis_home", "HOME"] {
            assert_eq!(read(name), Ok(0), "{name}");
        }
        let text = path("PORTCULLIS__DATA").unwrap_err().to_string();
        assert!(text.contains("write --data"), "{text}");
    }

    #[test]
    fn variables_without_the_prefix_are_ignored() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || OsString::from_vec(vec![0xff]);
        let all = [("PATH".into(), odd()), (odd(), odd()), ("PORTCULLIS__B".into(), "1".into())];
        assert_eq!(with_prefix(all.into_iter()).unwrap(), [("PORTCULLIS__B".into(), "1".into())]);
        assert!(with_prefix([("PORTCULLIS__A".into(), odd())].into_iter()).is_err());
    }
}
