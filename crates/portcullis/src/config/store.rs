//! `[store]`: where everything is kept.
//! Never: a database's password in an error text.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ConfigError;

/// `[store]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoreSection {
    /// `sqlite:PATH`; `portcullis.db` in the data directory.
    url: Option<String>,
    /// Whether message texts are sealed at rest (AES-256-GCM); true. Second factors always are.
    seal_messages: Option<bool>,
}

impl StoreSection {
    /// Whether message texts are sealed.
    pub(super) fn seals_messages(&self) -> bool {
        self.seal_messages.unwrap_or(true)
    }

    /// The database's file.
    pub(super) fn read(&self, data: &Path) -> Result<PathBuf, ConfigError> {
        let Some(url) = self.url.as_deref() else { return Ok(data.join("portcullis.db")) };
        let mend = "write url = \"sqlite:PATH\"";
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('?') => {
                Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
            }
            Some(("sqlite", _)) => {
                let why = "it names no file, or has parameters";
                Err(ConfigError::refused("store.url", format!("{url:?}"), why, mend))
            }
            // The rest of the address may hold a password.
            Some((kind, _)) => {
                Err(ConfigError::unavailable("store.url", &format!("\"{kind}:…\""), mend))
            }
            None => Err(ConfigError::refused("store.url", "set", "it has no kind", mend)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_of_database_and_no_password_in_texts() {
        let cases = [
            (None, Some("data/portcullis.db")),
            (Some("sqlite:a/b.db"), Some("a/b.db")),
            (Some("sqlite:/a.db"), Some("/a.db")),
            (Some("sqlite:///a.db"), Some("/a.db")),
            (Some("sqlite:"), None),
            (Some("sqlite:a.db?mode=rwc"), None),
            (Some("postgres://user:hunter2@host/db"), None),
            (Some("a.db"), None),
            (Some(""), None),
        ];
        for (url, expect) in cases {
            let url_text = url.map(String::from);
            let section = StoreSection { url: url_text, ..StoreSection::default() };
            let read = section.read(Path::new("data"));
            assert_eq!(read.as_deref().ok(), expect.map(Path::new), "{url:?}");
            let error = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
