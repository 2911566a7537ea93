//! What is allowed, and still likely to be a mistake.
//! Never: a reason to stop.

use std::fmt;

/// One warning: a key, and what to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// The key of the configuration.
    pub(crate) key: &'static str,
    /// What is seen, why it matters, what to do.
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
