//! Whether the store can write: a pure machine, and the cell through which all threads read it.
//! Never: a write or a look at the disk; it is given what was seen.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The disk counts as free again above this share of `min_free`, in percent.
const LEAVE_PERCENT: u64 = 150;
/// For how long it must have had that much space, or no failure, in milliseconds.
const LEAVE_MS: u64 = 10_000;
/// The share of `min_free` below which logins wait too: 64 MiB of 256 MiB.
const FLOOR_DIVISOR: u64 = 4;

/// Whether the store can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
    Ok,
    /// The disk is full, or nearly: clients' changes are rejected, reads go on.
    Full,
    /// The disk does not take what is written: clients' changes are rejected, reads go on.
    Failing,
    /// The file is damaged: changes are rejected until an operator has restored it.
    Corrupt,
    /// A file of the database was moved or removed: what is written would be lost, so changes are
    /// rejected until it is put back.
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

    fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Full => 1,
            Self::Failing => 2,
            Self::Corrupt => 3,
            Self::Moved => 4,
        }
    }

    /// A number that means nothing is read as the worst.
    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Full,
            2 => Self::Failing,
            4 => Self::Moved,
            _ => Self::Corrupt,
        }
    }
}

/// What went wrong with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// No space (`SQLITE_FULL`).
    Full,
    /// The system reports an error (`SQLITE_IOERR`), such as a failed fsync.
    Failed,
    /// The file is not a sound database (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
    Damaged,
}

/// What a change is for; decides whether it may use the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// A client's own: messages, rooms, accounts, names.
    Client,
    /// A login or its renewal; goes on until a quarter of the reserve is left.
    Login,
    /// Takes authority or content away: an end, a ban, a deletion. Always tried.
    Removal,
}

/// The states and when they change.
#[derive(Debug)]
pub(crate) struct HealthMonitor {
    min_free_bytes: u64,
    state: Health,
    /// Whether a file of the database is not where it belongs; hides the state unless damaged.
    is_moved: bool,
    free_bytes: Option<u64>,
    /// Since when nothing keeps the store from leaving its state, in milliseconds.
    better_since_ms: Option<u64>,
}

impl HealthMonitor {
    /// Starts healthy. With a `min_free_bytes` of 0 only failed writes count.
    pub(crate) fn new(min_free_bytes: u64) -> Self {
        Self {
            min_free_bytes,
            state: Health::Ok,
            is_moved: false,
            free_bytes: None,
            better_since_ms: None,
        }
    }

    /// The state.
    pub(crate) fn state(&self) -> Health {
        match self.state {
            Health::Corrupt => Health::Corrupt,
            Health::Ok | Health::Full | Health::Failing | Health::Moved if self.is_moved => {
                Health::Moved
            }
            state @ (Health::Ok | Health::Full | Health::Failing | Health::Moved) => state,
        }
    }

    /// Takes in whether a file of the database is not where it belongs.
    pub(crate) fn moved(&mut self, is_moved: bool) {
        self.is_moved = is_moved;
    }

    /// The space that was seen last.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }

    /// Takes in how much space there is; `None` where the system does not say.
    pub(crate) fn space(&mut self, free_bytes: Option<u64>, now_ms: u64) {
        self.free_bytes = free_bytes;
        let low = free_bytes.is_some_and(|free| free < self.min_free_bytes);
        match self.state {
            Health::Ok if low => self.enter(Health::Full),
            Health::Ok | Health::Corrupt | Health::Moved => {}
            Health::Full => {
                let enough = self.min_free_bytes.saturating_mul(LEAVE_PERCENT) / 100;
                self.better(free_bytes.is_none_or(|free| free >= enough), now_ms);
                if self.is_over(now_ms) {
                    self.enter(Health::Ok);
                }
            }
            // Only a write that succeeds ends it; see `written`.
            Health::Failing => self.better(true, now_ms),
        }
    }

    /// Takes in that a write failed.
    pub(crate) fn failed(&mut self, fault: WriteFault) {
        let low = self.free_bytes.is_some_and(|free| free < self.min_free_bytes);
        let next = match fault {
            WriteFault::Damaged => Health::Corrupt,
            WriteFault::Full => Health::Full,
            // Without space some calls fail in other ways, such as growing a mapped file.
            WriteFault::Failed if low => Health::Full,
            WriteFault::Failed => Health::Failing,
        };
        // Damage stays until a restart.
        if self.state != Health::Corrupt {
            self.enter(next);
        }
    }

    /// Takes in that something was written and is durable.
    pub(crate) fn written(&mut self) {
        if self.state == Health::Failing {
            self.enter(Health::Ok);
        }
    }

    /// Whether it is time to try a write although the last one failed.
    pub(crate) fn wants_trial(&self, now_ms: u64) -> bool {
        self.state() == Health::Failing && self.is_over(now_ms)
    }

    /// Whether a change of this kind may be written.
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
        self.better_since_ms = None;
    }

    fn better(&mut self, is_better: bool, now_ms: u64) {
        self.better_since_ms = is_better.then(|| self.better_since_ms.unwrap_or(now_ms));
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.better_since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= LEAVE_MS)
    }
}

/// What other threads read of the writer.
#[derive(Debug, Default)]
pub(crate) struct HealthCell {
    state: AtomicU8,
    free_bytes: AtomicU64,
    writer_ended: AtomicBool,
    reader_ended: AtomicBool,
}

impl HealthCell {
    /// Publishes the state and the space.
    pub(crate) fn publish(&self, state: Health, free_bytes: Option<u64>) {
        self.state.store(state.number(), Ordering::Release);
        self.free_bytes.store(free_bytes.unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Notes that the writer's thread is gone.
    pub(crate) fn writer_ended(&self) {
        self.writer_ended.store(true, Ordering::Release);
    }

    /// Notes that a thread that reads is gone.
    pub(crate) fn reader_ended(&self) {
        self.reader_ended.store(true, Ordering::Release);
    }

    /// What was published last.
    pub(crate) fn read(&self) -> StoreStatus {
        let free_bytes = self.free_bytes.load(Ordering::Acquire);
        StoreStatus {
            health: Health::from_number(self.state.load(Ordering::Acquire)),
            free_bytes: (free_bytes != u64::MAX).then_some(free_bytes),
            writer_runs: !self.writer_ended.load(Ordering::Acquire),
            readers_run: !self.reader_ended.load(Ordering::Acquire),
        }
    }
}

/// The state of the store, for readiness and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStatus {
    /// Whether it can write.
    pub health: Health,
    /// The space left on its disk, where the system says.
    pub free_bytes: Option<u64>,
    /// Whether the thread that writes runs.
    pub writer_runs: bool,
    /// Whether all threads that read run.
    pub readers_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn monitor() -> HealthMonitor {
        HealthMonitor::new(256 * MIB)
    }

    #[test]
    fn low_space_fills_the_store_before_a_write_fails() {
        let mut monitor = monitor();
        monitor.space(Some(256 * MIB), 0);
        assert_eq!(monitor.state(), Health::Ok);
        monitor.space(Some(256 * MIB - 1), 1);
        assert_eq!(monitor.state(), Health::Full);
        let permitted =
            [WriteKind::Client, WriteKind::Login, WriteKind::Removal].map(|k| monitor.permits(k));
        assert_eq!(permitted, [false, true, true]);
        monitor.space(Some(64 * MIB - 1), 2);
        let permitted =
            [WriteKind::Client, WriteKind::Login, WriteKind::Removal].map(|k| monitor.permits(k));
        assert_eq!(permitted, [false, false, true]);
    }

    #[test]
    fn full_store_recovers_after_ten_seconds_with_half_as_much_again() {
        let mut monitor = monitor();
        monitor.space(Some(0), 0);
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
            monitor.space(Some(free_mib * MIB), now_ms);
            assert_eq!(monitor.state(), expect, "at {now_ms}");
        }
    }

    #[test]
    fn failed_write_fills_the_store_whatever_the_system_reports_as_free() {
        let mut monitor = monitor();
        monitor.space(Some(999 * MIB), 0);
        monitor.failed(WriteFault::Full);
        assert_eq!(monitor.state(), Health::Full);
        monitor.space(None, 5);
        monitor.space(None, 10_005);
        assert_eq!(monitor.state(), Health::Ok);
    }

    #[test]
    fn failing_disk_is_tried_again_after_ten_seconds_and_left_by_a_write() {
        let mut monitor = monitor();
        monitor.space(Some(999 * MIB), 0);
        monitor.failed(WriteFault::Failed);
        assert_eq!(monitor.state(), Health::Failing);
        assert!(!monitor.permits(WriteKind::Client) && monitor.permits(WriteKind::Removal));
        monitor.space(Some(999 * MIB), 1_000);
        assert!(!monitor.wants_trial(10_999) && monitor.wants_trial(11_000));
        monitor.failed(WriteFault::Failed);
        assert!(!monitor.wants_trial(11_000));
        monitor.space(Some(999 * MIB), 12_000);
        assert!(monitor.wants_trial(22_000));
        monitor.written();
        assert_eq!(monitor.state(), Health::Ok);
    }

    #[test]
    fn write_that_fails_without_space_means_a_full_disk() {
        let mut monitor = monitor();
        monitor.space(Some(0), 0);
        monitor.failed(WriteFault::Failed);
        assert_eq!(monitor.state(), Health::Full);
    }

    #[test]
    fn damaged_file_stays_damaged_and_takes_nothing() {
        let mut monitor = monitor();
        monitor.failed(WriteFault::Damaged);
        monitor.written();
        monitor.failed(WriteFault::Full);
        monitor.space(Some(u64::MAX - 1), 1_000_000);
        assert_eq!(monitor.state(), Health::Corrupt);
        for kind in [WriteKind::Client, WriteKind::Login, WriteKind::Removal] {
            assert!(!monitor.permits(kind));
        }
    }

    #[test]
    fn moved_file_takes_nothing_until_it_is_put_back() {
        let mut monitor = monitor();
        monitor.space(Some(999 * MIB), 0);
        monitor.moved(true);
        assert_eq!(monitor.state(), Health::Moved);
        for kind in [WriteKind::Client, WriteKind::Login, WriteKind::Removal] {
            assert!(!monitor.permits(kind), "{kind:?}");
        }
        // The disk is watched meanwhile, and its state returns with the file.
        monitor.space(Some(0), 1_000);
        assert_eq!(monitor.state(), Health::Moved);
        monitor.moved(false);
        assert_eq!(monitor.state(), Health::Full);
        monitor.failed(WriteFault::Damaged);
        monitor.moved(true);
        assert_eq!(monitor.state(), Health::Corrupt);
    }

    #[test]
    fn cell_gives_what_was_published() {
        let cell = HealthCell::default();
        let states = [Health::Ok, Health::Full, Health::Failing, Health::Corrupt, Health::Moved];
        for health in states {
            cell.publish(health, Some(7));
            let expect =
                StoreStatus { health, free_bytes: Some(7), writer_runs: true, readers_run: true };
            assert_eq!(cell.read(), expect);
        }
        cell.publish(Health::Ok, None);
        cell.writer_ended();
        cell.reader_ended();
        let expect = StoreStatus {
            health: Health::Ok,
            free_bytes: None,
            writer_runs: false,
            readers_run: false,
        };
        assert_eq!(cell.read(), expect);
    }
}
