//! Configuration errors: the value, the reason for the rejection, and the remedy.
//! Never: the content of a secret.

use std::path::{Path, PathBuf};

use portcullis_guard::GateError;

use crate::config::read::suggest::suggestion;

/// A configuration that stops the start; exit code 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The configuration file cannot be read.
    #[error("cannot read {}: {cause}; name another file with --config", path.display())]
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
        let mut place = path.display().to_string();
        if let Some(before) = error.span().and_then(|span| text.get(..span.start)) {
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
            place.push_str(&format!(":{line}:{column}"));
        }
        Self::Syntax { place, message: describe(error) }
    }

    /// An error of the parser for an environment variable.
    pub(crate) fn variable(name: &str, error: &toml::de::Error) -> Self {
        Self::Syntax { place: String::from(name), message: describe(error) }
    }
}

fn describe(error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    match suggestion(&message) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}
