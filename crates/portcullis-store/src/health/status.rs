//! The state of the store as other threads read it.
//! Never: a state that the writer has not published.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::health::monitor::Health;

/// The state that the writer publishes for other threads.
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

    /// Records that the writer thread has ended.
    pub(crate) fn set_writer_ended(&self) {
        self.writer_ended.store(true, Ordering::Release);
    }

    /// Records that a reader thread has ended.
    pub(crate) fn set_reader_ended(&self) {
        self.reader_ended.store(true, Ordering::Release);
    }

    /// The state that was published last.
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
    /// Whether it can write, and if not, why.
    pub health: Health,
    /// The free space on its disk, if the system reports it.
    pub free_bytes: Option<u64>,
    /// Whether the writer thread runs.
    pub writer_runs: bool,
    /// Whether all reader threads run.
    pub readers_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_returns_the_published_state() {
        let cell = HealthCell::default();
        let states = [Health::Ok, Health::Full, Health::Failing, Health::Corrupt, Health::Moved];
        for health in states {
            cell.publish(health, Some(7));
            let expect =
                StoreStatus { health, free_bytes: Some(7), writer_runs: true, readers_run: true };
            assert_eq!(cell.read(), expect);
        }
        cell.publish(Health::Ok, None);
        cell.set_writer_ended();
        cell.set_reader_ended();
        let expect = StoreStatus {
            health: Health::Ok,
            free_bytes: None,
            writer_runs: false,
            readers_run: false,
        };
        assert_eq!(cell.read(), expect);
    }
}
