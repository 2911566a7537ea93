//! Alerts that an administrator silenced, for seven days at most.
//! Never: alerts about the log, or about changes of roles and keys.

use std::fmt;

use portcullis_model::limits::REASON_CHARS;

use crate::alert::notification::{AlertKey, AlertSeverity};

/// Most silences.
pub(crate) const SILENCES_MAX: usize = 256;
/// The longest silence.
const LONGEST_MS: i64 = 7 * 24 * 60 * 60_000;
/// Rules that cannot be silenced.
const NEVER: [&str; 2] = ["A13", "A14"];

/// A request for a silence of alerts. Each part that is set has to match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SilenceRequest {
    /// The rule; none is every rule but A13 and A14.
    pub rule: Option<String>,
    /// The key.
    pub key: Option<(String, String)>,
    /// Alerts up to this severity.
    pub severity: Option<AlertSeverity>,
    /// The reason, in 3 to 200 characters.
    pub reason: String,
    /// The administrator.
    pub by: String,
    /// The end, in Unix milliseconds; seven days from now at most.
    pub until_unix_ms: i64,
}

/// Alerts that are silenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Names it, to end it early.
    pub id: u64,
    /// The alerts that it holds back.
    pub request: SilenceRequest,
}

impl Silence {
    /// Ends it in seven days at most, also when the clock was set back.
    pub(crate) fn limit_end(&mut self, now_unix_ms: i64) {
        let latest_ms = now_unix_ms.saturating_add(LONGEST_MS);
        self.request.until_unix_ms = latest_ms.min(self.request.until_unix_ms);
    }
}

/// The reason for which a silence is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceError {
    /// The rule can never be silenced.
    Protected,
    /// The rule does not exist.
    UnknownRule,
    /// The reason is too short or too long.
    Reason,
    /// The end is past, or more than seven days away.
    End,
    /// There are 256 silences already.
    Full,
}

impl fmt::Display for SilenceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Protected => "alerts A13 and A14 cannot be silenced",
            Self::UnknownRule => "no rule has this name",
            Self::Reason => "the reason has to have 3 to 200 characters",
            Self::End => "the end has to be in the future, and at most 7 days away",
            Self::Full => "there are 256 silences already: end one of them first",
        })
    }
}

impl std::error::Error for SilenceError {}

/// Whether a rule can never be silenced.
pub(crate) fn is_protected(rule: &str) -> bool {
    NEVER.contains(&rule)
}

impl SilenceRequest {
    pub(crate) fn check(&self, now_unix_ms: i64) -> Result<(), SilenceError> {
        if self.rule.as_deref().is_some_and(is_protected) {
            return Err(SilenceError::Protected);
        }
        if !REASON_CHARS.contains(&self.reason.chars().count()) {
            return Err(SilenceError::Reason);
        }
        let left_ms = self.until_unix_ms - now_unix_ms;
        if left_ms <= 0 || left_ms > LONGEST_MS {
            return Err(SilenceError::End);
        }
        Ok(())
    }

    /// Whether it holds back an alert.
    pub(crate) fn matches(
        &self,
        rule: &str,
        key: Option<&AlertKey>,
        severity: AlertSeverity,
    ) -> bool {
        let has_key = |(kind, value): &(String, String)| {
            key.is_some_and(|key| key.kind == kind && key.value == *value)
        };
        !is_protected(rule)
            && self.rule.as_deref().is_none_or(|one| one == rule)
            && self.key.as_ref().is_none_or(has_key)
            && self.severity.is_none_or(|most| severity <= most)
    }
}
