//! `[accounts]`: who may sign up.
//! Never: passwords or keys.

use portcullis_accounts::Registration;
use serde::Deserialize;

use super::error::ConfigError;

/// `[accounts]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountsSection {
    /// Always true in this version.
    enabled: Option<bool>,
    /// `open` or `closed`; `open`.
    registration: Option<String>,
    /// The issuer our own tokens name; `https://portcullis`.
    issuer: Option<String>,
}

/// How accounts work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountSettings {
    pub(crate) registration: Registration,
    pub(crate) issuer: String,
}

impl AccountSettings {
    pub(crate) fn registration_name(&self) -> &'static str {
        match self.registration {
            Registration::Open => "open",
            Registration::Closed => "closed",
        }
    }
}

impl AccountsSection {
    pub(super) fn read(self) -> Result<AccountSettings, ConfigError> {
        if self.enabled == Some(false) {
            let mend = "leave it out; registration = \"closed\" keeps strangers out";
            return Err(ConfigError::unavailable("accounts.enabled", "false", mend));
        }
        let registration = match self.registration.as_deref() {
            None | Some("open") => Registration::Open,
            Some("closed") => Registration::Closed,
            Some(other) => {
                let mend = "write \"open\" or \"closed\"";
                return Err(ConfigError::no_such_choice("accounts.registration", other, mend));
            }
        };
        let issuer = self.issuer.unwrap_or_else(|| String::from("https://portcullis"));
        Ok(AccountSettings { registration, issuer })
    }
}
