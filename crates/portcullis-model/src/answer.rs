//! What a denial says, to whom, and how much it matters.
//! Never: which denial; `denial_table` has the rows.

use crate::code::Code;

/// How much a record matters to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Ordinary life: an expired token, a full room.
    Info,
    /// Worth counting: a limit reached, a malformed message.
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

/// What a denial does to a connection that is already open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The denial is an answer; the connection goes on.
    Nothing,
    /// The connection ends with this WebSocket close code (RFC 6455 section 7.4).
    Code(u16),
}

/// Whether a denial counts as a violation of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// It counts against the user, or the address of an unauthenticated client, and against the
    /// connection.
    Counts,
    /// It is an answer, and counts as no violation.
    No,
}

/// When the same request may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not as it is: the request itself has to change.
    Never,
    /// After this many milliseconds.
    AfterMs(u64),
    /// After the time that the denial carries.
    Given,
}

/// Everything there is to say about one kind of denial: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The number of the row, in references; never given to another row.
    pub number: u8,
    /// The stable code a client reads.
    pub code: &'static str,
    /// The sentence a client reads; the same for every cause the client must not tell apart.
    pub message: &'static str,
    /// The status when the denial answers an HTTP request.
    pub status: u16,
    /// What happens to an open connection.
    pub closed_by: ClosedBy,
    /// The name of the security record.
    pub event: Code,
    /// The rule that decided, for the operator.
    pub rule: &'static str,
    /// The cause in one word, for the operator; the rule where it has one cause only.
    pub reason: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it counts as a violation.
    pub violation: Violation,
    /// When the same request may succeed.
    pub retry: Retry,
}

impl Answer {
    /// What a client can read of the answer; clients cannot distinguish causes that read the same.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        (self.code, self.message, self.status, self.closed_by, self.retry)
            == (other.code, other.message, other.status, other.closed_by, other.retry)
    }
}
