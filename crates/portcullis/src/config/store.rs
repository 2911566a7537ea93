//! `[store]`: the database.
//! Never: the password of a database in an error text.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[store]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreSection {
    /// The address of the database: `sqlite:` and the path of a file.
    #[schemars(extend("x-default-text" = "`portcullis.db` in the data directory"))]
    #[schemars(extend("examples" = ["sqlite:/var/lib/portcullis/portcullis.db"]))]
    url: Option<String>,
    /// Whether the texts of messages are sealed at rest (AES-256-GCM). Second factors always are.
    seal_messages: Option<bool>,
    /// Space that is kept free on the disk of the database, in KiB, MiB, GiB or TiB. With less
    /// space, changes of clients are rejected, so that logins, bans and deletions still work.
    #[schemars(extend("x-default-text" = "`256MiB`, or an eighth of a disk below 2 GiB"))]
    #[schemars(extend("examples" = ["256MiB"]))]
    min_free: Option<String>,
}

impl StoreSection {
    /// Whether texts of messages are sealed.
    pub(crate) fn seals_messages(&self) -> bool {
        self.seal_messages.unwrap_or(true)
    }

    /// The space kept free, in bytes.
    pub(crate) fn min_free(&self) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.min_free.as_deref() else { return Ok(None) };
        let bytes = size_in_bytes(text).ok_or_else(|| {
            let why = "it is not a whole number of KiB, MiB, GiB or TiB";
            let mend = "write a size such as \"256MiB\"; \"0MiB\" keeps no reserve";
            ConfigError::refused("store.min_free", format!("{text:?}"), why, mend)
        })?;
        Ok(Some(bytes))
    }

    /// The file of the database.
    pub(crate) fn read(&self, data: &Path) -> Result<PathBuf, ConfigError> {
        let Some(url) = self.url.as_deref() else { return Ok(data.join("portcullis.db")) };
        let mend = "write url = \"sqlite:PATH\"";
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('?') => {
                Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
            }
            Some(("sqlite", _)) => {
                let why = "it has no file name, or it has parameters";
                Err(ConfigError::refused("store.url", format!("{url:?}"), why, mend))
            }
            // The rest of the URL can contain a password.
            Some((kind, _)) => {
                Err(ConfigError::unavailable("store.url", &format!("\"{kind}:…\""), mend))
            }
            None => Err(ConfigError::refused("store.url", "set", "it has no scheme", mend)),
        }
    }
}

/// Reads a size with its unit.
fn size_in_bytes(text: &str) -> Option<u64> {
    let at = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let shift = match unit.trim_start() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_needs_a_unit() {
        let cases = [
            ("256MiB", Some(256 << 20)),
            ("1 GiB", Some(1 << 30)),
            ("0MiB", Some(0)),
            ("8TiB", Some(8 << 40)),
            ("256", None),
            ("256MB", None),
            ("MiB", None),
            ("-1MiB", None),
            ("99999999999999TiB", None),
        ];
        for (text, expect) in cases {
            let section =
                StoreSection { min_free: Some(String::from(text)), ..StoreSection::default() };
            assert_eq!(section.min_free().ok().flatten(), expect, "{text}");
        }
        let section = StoreSection { min_free: Some(String::from("1")), ..Default::default() };
        let error = section.min_free().unwrap_err().to_string();
        assert!(error.starts_with("store.min_free is \"1\": "), "{error}");
    }

    #[test]
    fn only_sqlite_urls_are_accepted_and_errors_hide_passwords() {
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
