//! The answer to a rejected request: texts and codes for the client and the operator.
//! Never: the values of a denial; `table.rs` has the rows.

use crate::record::{Code, Severity};

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
    /// It is an answer and does not count.
    No,
}

/// When the same request may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never: the request itself has to change.
    Never,
    /// After this many milliseconds.
    AfterMs(u64),
    /// After the time that the denial carries.
    Given,
}

/// Everything about one kind of denial: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The number of the row, in references; never given to another row.
    pub number: u8,
    /// The stable code that a client reads.
    pub code: &'static str,
    /// The sentence that a client reads; the same for all causes that the client must not
    /// distinguish.
    pub message: &'static str,
    /// The status when the denial answers an HTTP request.
    pub status: u16,
    /// What happens to an open connection.
    pub closed_by: ClosedBy,
    /// The name of the security record.
    pub event: Code,
    /// The rule that decided, for the operator.
    pub rule: &'static str,
    /// The cause in one word, for the operator; the rule itself if it has only one cause.
    pub reason: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it counts as a violation.
    pub violation: Violation,
    /// When the same request may succeed.
    pub retry: Retry,
}

impl Answer {
    /// Whether a client reads the same in both answers and cannot distinguish their causes.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        (self.code, self.message, self.status, self.closed_by, self.retry)
            == (other.code, other.message, other.status, other.closed_by, other.retry)
    }
}
