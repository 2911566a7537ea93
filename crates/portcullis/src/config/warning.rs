//! A warning about a setting that is allowed and probably a mistake.
//! Never: a reason to stop.

use std::fmt;

/// A warning about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// The key of the configuration.
    pub(crate) key: &'static str,
    /// The value, the risk, and the remedy.
    pub(crate) text: String,
}

impl Warning {
    pub(crate) fn new(key: &'static str, text: impl Into<String>) -> Self {
        Self { key, text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.text)
    }
}
