//! The current load of the server, as all threads see it.
//! Never: a decision about one client; `limits/load_limits.rs` makes those.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::load::state::LoadState;

/// Full rate of returning clients, in thousandths of the rate of all connections.
pub(crate) const RETURNING_RATE_MAX: u32 = 1_000;
/// Lowest rate of returning clients: some are admitted at any load.
pub(crate) const RETURNING_RATE_MIN: u32 = 50;
/// By how much the rate of returning clients falls with each overloaded sample.
const RETURNING_RATE_FALL: u32 = 50;
/// By how much it rises with each other sample.
const RETURNING_RATE_RISE: u32 = 10;

/// The end of a pin that has none.
const NO_END: u64 = u64::MAX;

/// The load of the server, measured or pinned by the operator.
pub(crate) struct CurrentLoad {
    measured: AtomicU8,
    /// 0 where the operator has not pinned a state, otherwise that state plus one.
    pinned: AtomicU8,
    /// The monotonic time at which the pin ends; [`NO_END`] for a pin without an end.
    pinned_until_ms: AtomicU64,
    /// The rate of returning clients, in thousandths of the rate of all connections.
    returning_permille: AtomicU32,
}

impl CurrentLoad {
    pub(crate) fn new(pinned: Option<LoadState>) -> Self {
        Self {
            measured: AtomicU8::new(0),
            pinned: AtomicU8::new(pinned_number(pinned)),
            pinned_until_ms: AtomicU64::new(NO_END),
            returning_permille: AtomicU32::new(RETURNING_RATE_MAX),
        }
    }

    /// The state in force: pinned by the operator, otherwise measured.
    pub(crate) fn state(&self) -> LoadState {
        match self.pinned() {
            Some(pinned) => pinned,
            None => self.measured(),
        }
    }

    pub(crate) fn measured(&self) -> LoadState {
        state_of(self.measured.load(Ordering::Relaxed))
    }

    pub(crate) fn pinned(&self) -> Option<LoadState> {
        self.pinned.load(Ordering::Relaxed).checked_sub(1).map(state_of)
    }

    pub(crate) fn returning_permille(&self) -> u32 {
        self.returning_permille.load(Ordering::Relaxed)
    }

    /// The end of the pin, if a state is pinned until a time.
    pub(crate) fn pinned_until_ms(&self) -> Option<u64> {
        let until_ms = self.pinned_until_ms.load(Ordering::Relaxed);
        self.pinned().and((until_ms != NO_END).then_some(until_ms))
    }

    /// Pins a state until a monotonic time, or without an end; `None` ends the pin.
    pub(crate) fn pin(&self, state: Option<LoadState>, until_ms: Option<u64>) {
        self.pinned_until_ms.store(until_ms.unwrap_or(NO_END), Ordering::Relaxed);
        self.pinned.store(pinned_number(state), Ordering::Relaxed);
    }

    /// Stores a measured state, and the state that the latest sample alone asks for.
    ///
    /// While the server is overloaded, the rate of returning clients follows the samples.
    /// Returns whether the state in force or that rate has changed.
    pub(crate) fn measure(&self, state: LoadState, sampled: LoadState) -> bool {
        let before = (self.state(), self.returning_permille());
        self.measured.store(state as u8, Ordering::Relaxed);
        let is_overloaded = self.state() >= LoadState::Shedding;
        let sample_is_overloaded = sampled >= LoadState::Shedding;
        let permille = match (is_overloaded, sample_is_overloaded) {
            (false, _) => RETURNING_RATE_MAX,
            (true, true) => before.1.saturating_sub(RETURNING_RATE_FALL).max(RETURNING_RATE_MIN),
            (true, false) => before.1.saturating_add(RETURNING_RATE_RISE).min(RETURNING_RATE_MAX),
        };
        self.returning_permille.store(permille, Ordering::Relaxed);
        before != (self.state(), permille)
    }

    /// Takes over the state and the rate of another server, for a simulation.
    pub(crate) fn follow(&self, state: LoadState, returning_permille: u32) {
        self.pin(Some(state), None);
        let permille = returning_permille.min(RETURNING_RATE_MAX);
        self.returning_permille.store(permille, Ordering::Relaxed);
    }
}

fn pinned_number(state: Option<LoadState>) -> u8 {
    state.map_or(0, |state| state as u8 + 1)
}

fn state_of(number: u8) -> LoadState {
    LoadState::ALL.get(usize::from(number)).copied().unwrap_or_default()
}
