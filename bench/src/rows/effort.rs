//! The amount of measurement: rounds, time and sizes.
//! Never: the same amount of work for all; a slow server would take minutes.

use std::time::Duration;

use crate::rows::work::Own;

/// The time in which a garbage collector settles before memory is read.
const SETTLE: Duration = Duration::from_millis(1_500);

/// One run's bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds of each comparison; a round runs all servers back to back.
    pub(crate) rounds: usize,
    /// Processor time a server spends on one measurement, at least.
    pub(crate) cpu_us: f64,
    /// Connections that idle, and that connect, at most.
    pub(crate) connections: usize,
    /// The time in which memory may settle before it is read.
    pub(crate) settle: Duration,
    /// Rounds of each size when work grows.
    pub(crate) growth_rounds: usize,
    /// Rounds of the product measurement.
    pub(crate) product_rounds: usize,
    /// Handshakes that are refused to see what stays behind of them.
    pub(crate) refusals: usize,
    /// Members of the room that deliveries are compared in.
    pub(crate) members: usize,
    /// Largest room, and most connections, when work grows.
    pub(crate) largest: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        cpu_us: 1_000_000.0,
        connections: 5_000,
        settle: SETTLE,
        growth_rounds: 3,
        product_rounds: 100,
        refusals: 1_000_000,
        members: 1_000,
        largest: 10_000,
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 2,
        cpu_us: 300_000.0,
        connections: 5_000,
        settle: SETTLE,
        growth_rounds: 1,
        product_rounds: 30,
        refusals: 50_000,
        members: 1_000,
        largest: 10_000,
    };

    /// Whether every row runs to its end; its figures mean nothing.
    ///
    /// `product_rounds` stays over what the default limits let through in a minute.
    pub(crate) const CHECK: Self = Self {
        rounds: 1,
        cpu_us: 20_000.0,
        connections: 250,
        settle: Duration::ZERO,
        growth_rounds: 1,
        product_rounds: 31,
        refusals: 500,
        members: 50,
        largest: 100,
    };

    /// Rounds of a measurement of our own server; one for a million refusals.
    pub(crate) fn rounds_of(&self, work: Own) -> usize {
        if work == Own::RefusedMemory { 1 } else { self.rounds }
    }
}
