//! Outcomes of the planned operations of a flood.
//! Never: operations of honest users.

/// The outcome of a flood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Operations due by its schedule.
    pub(crate) due: u32,
    /// Operations that were sent.
    pub(crate) sent: u32,
    /// Operations that the generator could not send in time.
    pub(crate) held_back: u32,
    /// Operations that succeeded.
    pub(crate) admitted: u32,
    /// Clients that were disconnected after that, or rejected where tokens are checked.
    pub(crate) rejected: u32,
    /// The largest delay of an operation that was sent, in milliseconds.
    pub(crate) late_ms: u64,
}

impl Tally {
    /// The sum of both; the larger delay.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            due: self.due + other.due,
            sent: self.sent + other.sent,
            held_back: self.held_back + other.held_back,
            admitted: self.admitted + other.admitted,
            rejected: self.rejected + other.rejected,
            late_ms: self.late_ms.max(other.late_ms),
        }
    }
}
