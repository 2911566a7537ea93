//! The checks of the regular audit: their ids and subjects.
//! Never: a result; an id that changes, because accepted findings are named by it.

use serde::{Deserialize, Serialize};

/// One check of the regular audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CheckId {
    /// The configuration, and weakened guarantees.
    D1,
    /// TLS, as a client gets it.
    D2,
    /// The security headers of the server's own pages.
    D3,
    /// The modes of files.
    D4,
    /// The ages of keys.
    D5,
    /// The age of the last backup.
    D6,
    /// The security log.
    D7,
    /// The space on the disks.
    D8,
    /// Open files, memory and the clock.
    D9,
    /// Advisories about dependencies.
    D10,
    /// Administrators.
    D11,
    /// Exceptions that were meant for a while.
    D12,
    /// The channels of alerts.
    D13,
    /// The private listener.
    D14,
}

impl CheckId {
    /// All checks, in their order.
    pub const ALL: [Self; 14] = [
        Self::D1,
        Self::D2,
        Self::D3,
        Self::D4,
        Self::D5,
        Self::D6,
        Self::D7,
        Self::D8,
        Self::D9,
        Self::D10,
        Self::D11,
        Self::D12,
        Self::D13,
        Self::D14,
    ];

    /// The id in reports, records and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D3 => "D3",
            Self::D4 => "D4",
            Self::D5 => "D5",
            Self::D6 => "D6",
            Self::D7 => "D7",
            Self::D8 => "D8",
            Self::D9 => "D9",
            Self::D10 => "D10",
            Self::D11 => "D11",
            Self::D12 => "D12",
            Self::D13 => "D13",
            Self::D14 => "D14",
        }
    }

    /// The subject of the check.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::D1 => "Configuration",
            Self::D2 => "TLS as a client gets it",
            Self::D3 => "Security headers",
            Self::D4 => "File modes",
            Self::D5 => "Ages of keys",
            Self::D6 => "Backup",
            Self::D7 => "Security log",
            Self::D8 => "Disk space",
            Self::D9 => "Open files, memory, clock",
            Self::D10 => "Advisories",
            Self::D11 => "Administrators",
            Self::D12 => "Temporary exceptions",
            Self::D13 => "Alert channels",
            Self::D14 => "Private listener",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checks_are_those_of_their_json() {
        for id in CheckId::ALL {
            assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{}\"", id.name()));
        }
    }
}
