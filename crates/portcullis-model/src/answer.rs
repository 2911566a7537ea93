//! What a refusal says, to whom, and how much it matters.
//! Never: which refusal; `denial` says that.

/// How much a refusal matters to whoever watches the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Ordinary life: an expired token, a full room.
    Info,
    /// Worth counting: a limit reached, a malformed message.
    Warning,
    /// Somebody is trying something.
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

/// What a refusal does to a connection that is already open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The refusal is an answer; the connection goes on.
    Nothing,
    /// The connection ends with this WebSocket close code (RFC 6455 section 7.4).
    Code(u16),
}

/// Everything there is to say about one kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The stable code a client reads.
    pub code: &'static str,
    /// The sentence a client reads; the same for every cause the peer must not tell apart.
    pub message: &'static str,
    /// The status when the refusal answers an HTTP request.
    pub status: u16,
    /// What happens to an open connection.
    pub closed_by: ClosedBy,
    /// The security event's name (OWASP logging vocabulary and our extensions).
    pub event: &'static str,
    /// The rule that refused, for the operator.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it counts toward the strike budget of the connection.
    pub strike: bool,
}
