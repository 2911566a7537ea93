//! How much a security record matters.
//! Never: decides it for a record.

/// How much a record matters to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Normal operation: an expired token, a full room.
    Info,
    /// Counted events: a limit reached, a malformed message.
    Warning,
    /// An operator must act: the service, its log or its keys are at risk. A request of a client
    /// is never critical, however hostile; its effect on the service can be.
    Critical,
}

impl Severity {
    /// The name used as `log.level`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
