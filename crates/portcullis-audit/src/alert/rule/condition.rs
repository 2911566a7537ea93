//! The condition of a trigger: code, rule, reason, outcome, severity and flags.
//! Never: text that a client chose.

use portcullis_model::{Code, Severity};

use crate::alert::input::note::{Flag, Note};
use crate::record::fields::Outcome;

/// Records of one code that a trigger counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) code: Code,
    /// Any of these rules; empty is every rule.
    pub(crate) rules: Vec<String>,
    /// Any of these reasons; empty is every reason.
    pub(crate) reasons: Vec<String>,
    /// None of these reasons.
    pub(crate) not_reasons: Vec<String>,
    pub(crate) outcome: Option<Outcome>,
    /// At least this severity.
    pub(crate) severity: Severity,
    /// All of these flags.
    pub(crate) flags: u16,
}

impl Condition {
    /// All records of a code that are at least warnings: `info` is normal operation.
    pub(crate) fn warning(code: Code) -> Self {
        Self { severity: Severity::Warning, ..Self::any(code) }
    }

    /// All records of a code.
    pub(crate) fn any(code: Code) -> Self {
        Self {
            code,
            rules: Vec::new(),
            reasons: Vec::new(),
            not_reasons: Vec::new(),
            outcome: None,
            severity: Severity::Info,
            flags: 0,
        }
    }

    pub(crate) fn rule(mut self, rule: &str) -> Self {
        self.rules.push(String::from(rule));
        self
    }

    pub(crate) fn reason(mut self, reason: &str) -> Self {
        self.reasons.push(String::from(reason));
        self
    }

    pub(crate) fn not_reason(mut self, reason: &str) -> Self {
        self.not_reasons.push(String::from(reason));
        self
    }

    pub(crate) fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    pub(crate) fn flag(mut self, flag: Flag) -> Self {
        self.flags |= flag.bit();
        self
    }

    pub(crate) fn matches(&self, note: &Note) -> bool {
        let named = |names: &[String], name: &str| names.iter().any(|one| one == name);
        note.code == self.code
            && note.flags & self.flags == self.flags
            && note.severity >= self.severity
            && self.outcome.is_none_or(|outcome| outcome == note.outcome)
            && (self.rules.is_empty() || named(&self.rules, note.rule))
            && (self.reasons.is_empty() || named(&self.reasons, note.reason))
            && !named(&self.not_reasons, note.reason)
    }
}
