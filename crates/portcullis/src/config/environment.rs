//! `PORTCULLIS__SECTION__KEY` over the file.
//! Never: a variable of ours that is not understood.

use toml::{Table, Value};

use super::error::ConfigError;

/// Lays the variables over the file's table.
///
/// A value is read as TOML when it is TOML (`5`, `true`, `["a"]`), otherwise as text.
pub(crate) fn overlay(
    table: &mut Table,
    variables: &[(String, String)],
) -> Result<(), ConfigError> {
    for (name, value) in variables {
        let path = name.strip_prefix("PORTCULLIS__").unwrap_or(name).to_ascii_lowercase();
        let parts: Vec<&str> = path.split("__").collect();
        match parts.as_slice() {
            [key] => insert(table, key, value),
            [section, key] => {
                let entry = table
                    .entry((*section).to_owned())
                    .or_insert_with(|| Value::Table(Table::new()));
                match entry {
                    Value::Table(section) => insert(section, key, value),
                    _ => return Err(unknown(name)),
                }
            }
            _ => return Err(unknown(name)),
        }
    }
    Ok(())
}

fn insert(table: &mut Table, key: &str, text: &str) {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    table.insert(key.to_owned(), value.unwrap_or_else(|| Value::String(text.to_owned())));
}

fn unknown(name: &str) -> ConfigError {
    ConfigError::refused(
        name,
        "set",
        "no key has this name",
        "write PORTCULLIS__SECTION__KEY, or put nested keys into the file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_win_and_keep_their_types() {
        let mut table: Table = "[capacity]\nconnections_total = 1".parse().unwrap();
        let variables = [
            ("PORTCULLIS__CAPACITY__CONNECTIONS_TOTAL", "7"),
            ("PORTCULLIS__ORIGIN__ALLOWED", "[\"https://a.example\"]"),
            ("PORTCULLIS__LISTEN__PUBLIC", "127.0.0.1:1"),
            ("PORTCULLIS__PROFILE", "strict"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        overlay(&mut table, &variables).unwrap();
        assert_eq!(table["capacity"]["connections_total"], Value::Integer(7));
        assert!(table["origin"]["allowed"].is_array());
        assert_eq!(table["listen"]["public"].as_str(), Some("127.0.0.1:1"));
        assert_eq!(table["profile"].as_str(), Some("strict"));
    }

    #[test]
    fn a_variable_that_names_nothing_stops_the_start() {
        let variables = [("PORTCULLIS__A__B__C".to_owned(), String::new())];
        assert!(overlay(&mut Table::new(), &variables).is_err());
    }
}
