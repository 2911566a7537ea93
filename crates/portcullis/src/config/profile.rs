//! Where defaults come from, and what is refused.
//! Never: chosen by guessing from the address or the machine.

use crate::config::read::error::ConfigError;

/// A set of defaults and refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// This machine only: own certificate authority, own pages allowed.
    Development,
    /// The open internet.
    Production,
    /// The open internet without what only older clients need: TLS 1.3, and no `[danger]`.
    Strict,
}

impl Profile {
    pub(crate) const ALL: [Self; 3] = [Self::Development, Self::Production, Self::Strict];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::Strict => "strict",
        }
    }

    /// Reads the key `profile`; development, which cannot leave this machine, without one.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, ConfigError> {
        let Some(text) = text else { return Ok(Self::Development) };
        let known = Self::ALL.into_iter().find(|profile| profile.name() == text);
        let mend = "write \"development\", \"production\" or \"strict\"";
        known.ok_or_else(|| ConfigError::no_such_choice("profile", text, mend))
    }
}
