//! Whether the store can write: a pure state machine.
//! Never: a write, or a read of the disk; its callers report samples and results.

/// The disk has space again above this share of `min_free`, in percent.
const LEAVE_PERCENT: u64 = 150;
/// How long it must have had that much space, or no failure, in milliseconds.
const LEAVE_MS: u64 = 10_000;
/// The share of `min_free` below which logins are rejected too: 64 MiB of 256 MiB.
const FLOOR_DIVISOR: u64 = 4;

/// Whether the store can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Ok,
    /// The disk is full, or nearly: clients' changes are rejected, reads continue.
    Full,
    /// Writes to the disk fail: clients' changes are rejected, reads continue.
    Failing,
    /// The file is damaged: changes are rejected until an operator has restored it.
    Corrupt,
    /// A file of the database was moved or removed: writes would be lost, so changes are rejected
    /// until it is restored.
    Moved,
}

impl Health {
    /// The word in `/ready`, in metrics and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Corrupt => "corrupt",
            Self::Moved => "moved",
        }
    }

    /// The number of the state in an atomic cell.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Full => 1,
            Self::Failing => 2,
            Self::Corrupt => 3,
            Self::Moved => 4,
        }
    }

    /// An unknown number is read as the worst state.
    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Full,
            2 => Self::Failing,
            4 => Self::Moved,
            _ => Self::Corrupt,
        }
    }
}

/// Why a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// No space (`SQLITE_FULL`).
    Full,
    /// The system reports an error (`SQLITE_IOERR`), such as a failed fsync.
    Failed,
    /// The file is not a valid database (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
    Damaged,
}

/// The purpose of a change; decides whether it may use the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// Content of a client: messages, rooms, accounts, names.
    Client,
    /// A login or its renewal; accepted until a quarter of the reserve is left.
    Login,
    /// Removes authority or content: an end, a ban, a deletion. Always tried.
    Removal,
}

/// The state, and its inputs.
#[derive(Debug)]
pub(crate) struct HealthMonitor {
    min_free_bytes: u64,
    state: Health,
    /// Whether a file of the database is missing; hides every state except `Corrupt`.
    is_moved: bool,
    free_bytes: Option<u64>,
    /// Since when the conditions for leaving the state have held, in milliseconds.
    recovering_since_ms: Option<u64>,
}

impl HealthMonitor {
    /// Starts healthy. With a `min_free_bytes` of 0, only failed writes change the state.
    pub(crate) fn new(min_free_bytes: u64) -> Self {
        Self {
            min_free_bytes,
            state: Health::Ok,
            is_moved: false,
            free_bytes: None,
            recovering_since_ms: None,
        }
    }

    /// The current state.
    pub(crate) fn state(&self) -> Health {
        match self.state {
            Health::Corrupt => Health::Corrupt,
            Health::Ok | Health::Full | Health::Failing | Health::Moved if self.is_moved => {
                Health::Moved
            }
            state @ (Health::Ok | Health::Full | Health::Failing | Health::Moved) => state,
        }
    }

    /// Records whether a file of the database is missing.
    pub(crate) fn set_moved(&mut self, is_moved: bool) {
        self.is_moved = is_moved;
    }

    /// The free space of the last sample.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }

    /// Records a sample of the free space; `None` if the system does not report it.
    pub(crate) fn record_space(&mut self, free_bytes: Option<u64>, now_ms: u64) {
        self.free_bytes = free_bytes;
        let low = free_bytes.is_some_and(|free| free < self.min_free_bytes);
        match self.state {
            Health::Ok if low => self.enter(Health::Full),
            Health::Ok | Health::Corrupt | Health::Moved => {}
            Health::Full => {
                let enough = self.min_free_bytes.saturating_mul(LEAVE_PERCENT) / 100;
                self.track_recovery(free_bytes.is_none_or(|free| free >= enough), now_ms);
                if self.has_recovered(now_ms) {
                    self.enter(Health::Ok);
                }
            }
            // Only a successful write ends it; see `record_write`.
            Health::Failing => self.track_recovery(true, now_ms),
        }
    }

    /// Records a failed write.
    pub(crate) fn record_failure(&mut self, fault: WriteFault) {
        let low = self.free_bytes.is_some_and(|free| free < self.min_free_bytes);
        let next = match fault {
            WriteFault::Damaged => Health::Corrupt,
            WriteFault::Full => Health::Full,
            // Without space some calls fail with other errors, such as growing a mapped file.
            WriteFault::Failed if low => Health::Full,
            WriteFault::Failed => Health::Failing,
        };
        // `Corrupt` lasts until a restart.
        if self.state != Health::Corrupt {
            self.enter(next);
        }
    }

    /// Records a durable write.
    pub(crate) fn record_write(&mut self) {
        if self.state == Health::Failing {
            self.enter(Health::Ok);
        }
    }

    /// Whether a write should be tried although the last one failed.
    pub(crate) fn is_retry_due(&self, now_ms: u64) -> bool {
        self.state() == Health::Failing && self.has_recovered(now_ms)
    }

    /// Whether changes of this kind may be written.
    pub(crate) fn permits(&self, kind: WriteKind) -> bool {
        match (self.state(), kind) {
            (Health::Ok, _) | (Health::Full | Health::Failing, WriteKind::Removal) => true,
            (Health::Full, WriteKind::Login) => {
                let floor = self.min_free_bytes / FLOOR_DIVISOR;
                self.free_bytes.is_none_or(|free| free >= floor)
            }
            (Health::Failing, WriteKind::Login) => true,
            (Health::Full | Health::Failing, WriteKind::Client)
            | (Health::Corrupt | Health::Moved, _) => false,
        }
    }

    fn enter(&mut self, state: Health) {
        self.state = state;
        self.recovering_since_ms = None;
    }

    fn track_recovery(&mut self, holds: bool, now_ms: u64) {
        self.recovering_since_ms = holds.then(|| self.recovering_since_ms.unwrap_or(now_ms));
    }

    fn has_recovered(&self, now_ms: u64) -> bool {
        self.recovering_since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= LEAVE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn monitor() -> HealthMonitor {
        HealthMonitor::new(256 * MIB)
    }

    #[test]
    fn low_space_makes_the_store_full_before_a_write_fails() {
        let mut monitor = monitor();
        monitor.record_space(Some(256 * MIB), 0);
        assert_eq!(monitor.state(), Health::Ok);
        monitor.record_space(Some(256 * MIB - 1), 1);
        assert_eq!(monitor.state(), Health::Full);
        let permitted =
            [WriteKind::Client, WriteKind::Login, WriteKind::Removal].map(|k| monitor.permits(k));
        assert_eq!(permitted, [false, true, true]);
        monitor.record_space(Some(64 * MIB - 1), 2);
        let permitted =
            [WriteKind::Client, WriteKind::Login, WriteKind::Removal].map(|k| monitor.permits(k));
        assert_eq!(permitted, [false, false, true]);
    }

    #[test]
    fn full_store_recovers_after_ten_seconds_with_half_as_much_again() {
        let mut monitor = monitor();
        monitor.record_space(Some(0), 0);
        let cases = [
            (300, 1_000, Health::Full),
            (384, 2_000, Health::Full),
            (384, 11_999, Health::Full),
            (383, 12_000, Health::Full),
            (384, 12_001, Health::Full),
            (400, 22_000, Health::Full),
            (400, 22_001, Health::Ok),
        ];
        for (free_mib, now_ms, expect) in cases {
            monitor.record_space(Some(free_mib * MIB), now_ms);
            assert_eq!(monitor.state(), expect, "at {now_ms}");
        }
    }

    #[test]
    fn failed_write_makes_the_store_full_despite_reported_space() {
        let mut monitor = monitor();
        monitor.record_space(Some(999 * MIB), 0);
        monitor.record_failure(WriteFault::Full);
        assert_eq!(monitor.state(), Health::Full);
        monitor.record_space(None, 5);
        monitor.record_space(None, 10_005);
        assert_eq!(monitor.state(), Health::Ok);
    }

    #[test]
    fn failing_disk_is_retried_after_ten_seconds_until_a_write_succeeds() {
        let mut monitor = monitor();
        monitor.record_space(Some(999 * MIB), 0);
        monitor.record_failure(WriteFault::Failed);
        assert_eq!(monitor.state(), Health::Failing);
        assert!(!monitor.permits(WriteKind::Client) && monitor.permits(WriteKind::Removal));
        monitor.record_space(Some(999 * MIB), 1_000);
        assert!(!monitor.is_retry_due(10_999) && monitor.is_retry_due(11_000));
        monitor.record_failure(WriteFault::Failed);
        assert!(!monitor.is_retry_due(11_000));
        monitor.record_space(Some(999 * MIB), 12_000);
        assert!(monitor.is_retry_due(22_000));
        monitor.record_write();
        assert_eq!(monitor.state(), Health::Ok);
    }

    #[test]
    fn failed_write_without_space_means_a_full_disk() {
        let mut monitor = monitor();
        monitor.record_space(Some(0), 0);
        monitor.record_failure(WriteFault::Failed);
        assert_eq!(monitor.state(), Health::Full);
    }

    #[test]
    fn damaged_file_stays_damaged_and_rejects_every_kind() {
        let mut monitor = monitor();
        monitor.record_failure(WriteFault::Damaged);
        monitor.record_write();
        monitor.record_failure(WriteFault::Full);
        monitor.record_space(Some(u64::MAX - 1), 1_000_000);
        assert_eq!(monitor.state(), Health::Corrupt);
        for kind in [WriteKind::Client, WriteKind::Login, WriteKind::Removal] {
            assert!(!monitor.permits(kind));
        }
    }

    #[test]
    fn moved_file_rejects_every_kind_until_it_is_restored() {
        let mut monitor = monitor();
        monitor.record_space(Some(999 * MIB), 0);
        monitor.set_moved(true);
        assert_eq!(monitor.state(), Health::Moved);
        for kind in [WriteKind::Client, WriteKind::Login, WriteKind::Removal] {
            assert!(!monitor.permits(kind), "{kind:?}");
        }
        // The disk is still sampled, and its state applies again once the file is back.
        monitor.record_space(Some(0), 1_000);
        assert_eq!(monitor.state(), Health::Moved);
        monitor.set_moved(false);
        assert_eq!(monitor.state(), Health::Full);
        monitor.record_failure(WriteFault::Damaged);
        monitor.set_moved(true);
        assert_eq!(monitor.state(), Health::Corrupt);
    }
}
