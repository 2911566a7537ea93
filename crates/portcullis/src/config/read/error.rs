//! Configuration errors: the value, the reason for the rejection, and the remedy.
//! Never: the content of a secret.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use portcullis_guard::GateError;
use rustix::process::geteuid;

use crate::config::read::suggest::suggestion;

/// A configuration that stops the start; exit code 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The configuration file cannot be read.
    #[error("cannot read {}: {cause}; {}", path.display(), remedy(cause))]
    Unreadable { path: PathBuf, cause: std::io::Error },
    /// The text is not TOML, or has an unknown key or value.
    #[error("{place}: {message}")]
    Syntax { place: String, message: String },
    /// A rejected value.
    #[error("{key} is {seen}: {why}; {mend}")]
    Refused { key: String, seen: String, why: String, mend: String },
    /// A value that the gate rejects, such as a weak secret.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl ConfigError {
    /// A rejected value.
    pub(crate) fn refused(
        key: impl Into<String>,
        seen: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::Refused { key: key.into(), seen: seen.into(), why: why.into(), mend: mend.into() }
    }

    /// A value that is not one of the choices.
    pub(crate) fn no_such_choice(key: &str, seen: &str, mend: &str) -> Self {
        Self::refused(key, format!("{seen:?}"), "there is no such choice", mend)
    }

    /// A key of a feature that this version does not have.
    pub(crate) fn unavailable(key: &str, seen: &str, mend: &str) -> Self {
        Self::refused(key, seen, "it is not available in this version", mend)
    }

    /// A configured file that cannot be used.
    pub(crate) fn file(key: &str, path: &Path, why: impl Into<String>, mend: &str) -> Self {
        Self::refused(key, path.display().to_string(), why, mend)
    }

    /// An error of the parser with its position; `text` is the content of the file.
    pub(crate) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = match before {
            Some(before) => place(path, before),
            None => path.display().to_string(),
        };
        let mut message = describe(error);
        let name = error.span().and_then(|span| text.get(span)).map(str::trim);
        if let ("duplicate key", Some(name)) = (message.as_str(), name) {
            message = format!("the key {name} is written twice: remove one of them");
        }
        Self::Syntax { place, message }
    }

    /// A file that is not text; `valid` is its beginning.
    pub(crate) fn not_text(path: &Path, valid: &str) -> Self {
        let message = "the file is not UTF-8 text: save it as UTF-8";
        Self::Syntax { place: place(path, valid), message: String::from(message) }
    }

    /// An error of the parser for an environment variable.
    pub(crate) fn variable(name: &str, error: &toml::de::Error) -> Self {
        Self::Syntax { place: String::from(name), message: describe(error) }
    }
}

/// The line and column of a file after a text.
fn place(path: &Path, before: &str) -> String {
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    format!("{}:{line}:{column}", path.display())
}

fn remedy(cause: &std::io::Error) -> String {
    match cause.kind() {
        ErrorKind::PermissionDenied => {
            format!("give the user with uid {} access to it", geteuid().as_raw())
        }
        _ => String::from("name another file with --config"),
    }
}

/// The types of values, as the parser names them and as they are written.
const TYPES: [(&str, &str); 12] = [
    ("expected u8", "expected a whole number from 0 to 255"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number from 0 to 4294967295"),
    ("expected u64", "expected a whole number from 0"),
    ("expected usize", "expected a whole number from 0"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected a string", "expected text in quotes"),
    ("expected a sequence", "expected a list in brackets, such as [\"a\", \"b\"]"),
    ("expected a map", "expected a section with keys"),
    ("expected struct", "expected a section with keys"),
];

/// A message of the parser without names of the program.
fn plain(message: &str) -> String {
    for (name, words) in TYPES {
        if let Some((before, after)) = message.split_once(name) {
            // `struct` is followed by the name of a type.
            let after = match name {
                "expected struct" => after.trim_start().split_once(' ').map_or("", |rest| rest.1),
                _ => after,
            };
            return format!("{before}{words}{after}");
        }
    }
    String::from(message)
}

fn describe(error: &toml::de::Error) -> String {
    let message = plain(&error.message().trim().replace('\n', ", "));
    match suggestion(&message) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::file::File;

    fn message(text: &str) -> String {
        let error = toml::from_str::<File>(text).unwrap_err();
        ConfigError::syntax(Path::new("a.toml"), text, &error).to_string()
    }

    #[test]
    fn type_of_a_value_is_in_words_of_the_configuration() {
        for (text, expect) in [
            ("[capacity]\nconnections_total = \"a\"", "expected a whole number from 0"),
            ("[capacity]\nconnections_total = -1", "expected a whole number from 0"),
            ("[origin]\nallowed = \"https://a.example\"", "expected a list in brackets"),
            ("tls = 1", "expected a section with keys"),
            ("[tls]\nmode = 1", "expected text in quotes"),
            ("[tls]\nacme_staging = \"yes\"", "expected true or false"),
            ("profile = \"strict\"\nprofile = \"strict\"", "profile is written twice"),
        ] {
            let found = message(text);
            assert!(found.starts_with("a.toml:") && found.contains(expect), "{text}: {found}");
            for word in ["u32", "u64", "usize", "struct", "sequence"] {
                assert!(!found.contains(word), "{found}");
            }
        }
    }

    #[test]
    fn remedy_of_an_unreadable_file_fits_its_cause() {
        let error = |kind: ErrorKind| {
            let path = PathBuf::from("a.toml");
            ConfigError::Unreadable { path, cause: kind.into() }.to_string()
        };
        assert!(error(ErrorKind::PermissionDenied).contains("give the user with uid"));
        assert!(error(ErrorKind::NotFound).contains("name another file with --config"));
        let text = ConfigError::not_text(Path::new("a.toml"), "[tls]\na = ").to_string();
        assert_eq!(text, "a.toml:2:5: the file is not UTF-8 text: save it as UTF-8");
    }
}
