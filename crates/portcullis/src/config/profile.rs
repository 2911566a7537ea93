//! Profiles: each sets the defaults and rejects some settings.
//! Never: a profile guessed from the address or the machine.

use crate::config::read::error::ConfigError;

/// A set of defaults and rejected settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// This machine only: its own certificate authority, its own pages allowed.
    Development,
    /// The open internet.
    Production,
    /// The open internet without support for older clients: TLS 1.3 only, and no `[danger]`.
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

    /// Reads the key `profile`; without it, development, which other machines cannot reach.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, ConfigError> {
        let Some(text) = text else { return Ok(Self::Development) };
        let known = Self::ALL.into_iter().find(|profile| profile.name() == text);
        let mend = "write \"development\", \"production\" or \"strict\"";
        known.ok_or_else(|| ConfigError::no_such_choice("profile", text, mend))
    }
}
