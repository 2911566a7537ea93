//! The count of connections, in one machine word.
//! Never: one count that is newer than the other.

/// How many connections there are, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapacityCounts {
    /// Connections of unauthenticated clients.
    pub pre_auth: u32,
    /// Connections of users.
    pub authenticated: u32,
}

impl CapacityCounts {
    /// Both counts live in one word, so that both limits hold at every moment.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { pre_auth: (bits >> 32) as u32, authenticated: (bits & 0xffff_ffff) as u32 }
    }

    pub(crate) fn to_bits(self) -> u64 {
        (u64::from(self.pre_auth) << 32) | u64::from(self.authenticated)
    }

    pub(crate) fn total(self) -> u32 {
        self.pre_auth.saturating_add(self.authenticated)
    }
}
