//! `[accounts]`: who may sign up, and how accounts are kept safe (T-027 to T-029).
//! Never: passwords or keys.

use portcullis_accounts::Registration;
use serde::Deserialize;

use super::error::ConfigError;
use super::profile::Profile;

/// `[accounts]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountsSection {
    /// Always true in this version.
    enabled: Option<bool>,
    /// `open`, `invitation` or `closed`; `open`.
    registration: Option<String>,
    /// The issuer our own tokens name; `https://portcullis`.
    issuer: Option<String>,
    /// Whether administrators need a second factor for their rights; true but in development.
    admins_need_totp: Option<bool>,
}

/// How accounts work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountSettings {
    pub(crate) registration: Registration,
    pub(crate) issuer: String,
    pub(crate) admins_need_totp: bool,
    /// Whether log-ins have to prove a key of the client.
    pub(crate) proof_required: bool,
}

impl AccountSettings {
    pub(crate) fn registration_name(&self) -> &'static str {
        match self.registration {
            Registration::Open => "open",
            Registration::Invitation => "invitation",
            Registration::Closed => "closed",
        }
    }
}

impl AccountsSection {
    pub(super) fn read(self, profile: Profile) -> Result<AccountSettings, ConfigError> {
        if self.enabled == Some(false) {
            let mend = "leave it out; registration = \"closed\" keeps strangers out";
            return Err(ConfigError::unavailable("accounts.enabled", "false", mend));
        }
        let registration = match self.registration.as_deref() {
            None | Some("open") => Registration::Open,
            Some("invitation") => Registration::Invitation,
            Some("closed") => Registration::Closed,
            Some(other) => {
                let mend = "write \"open\", \"invitation\" or \"closed\"";
                return Err(ConfigError::no_such_choice("accounts.registration", other, mend));
            }
        };
        let issuer = self.issuer.unwrap_or_else(|| String::from("https://portcullis"));
        let by_profile = profile != Profile::Development;
        let admins_need_totp = self.admins_need_totp.unwrap_or(by_profile);
        if !admins_need_totp && profile != Profile::Development {
            let why = "a guessed or stolen password would be all an administrator has";
            let mend = "leave it out: an administrator adds a second factor at the first log-in";
            let seen = "false";
            return Err(ConfigError::refused("accounts.admins_need_totp", seen, why, mend));
        }
        let proof_required = profile == Profile::Strict;
        Ok(AccountSettings { registration, issuer, admins_need_totp, proof_required })
    }
}
