//! A clock of a server that a test moves, so that hours pass in seconds.
//! Never: the clock of the test, or of another server.

use std::time::Duration;

use crate::servers::config::Config;
use crate::servers::preload::Preload;

/// The clock of one server and of the commands beside it.
pub struct ShiftedClock {
    preload: Preload,
    /// Milliseconds of all clocks, and of the wall clock in addition.
    added_ms: [i64; 2],
}

impl ShiftedClock {
    /// Gives the server of a configuration such a clock; it shows the true time at first.
    ///
    /// # Panics
    /// If the library cannot be compiled.
    #[must_use]
    pub fn install(config: &mut Config) -> Self {
        let added_ms = [0; 2];
        let preload = Preload::install(config, "shifted_clock", "SHIFTED_CLOCK", &added_ms);
        Self { preload, added_ms }
    }

    /// Lets time pass at once, on all clocks of the server.
    pub fn pass(&mut self, time: Duration) {
        self.added_ms[0] += i64::try_from(time.as_millis()).unwrap();
        self.preload.set(&self.added_ms);
    }

    /// Sets the wall clock of the server, so many milliseconds ahead of the true time or behind it.
    /// Time that has passed is added.
    pub fn set_wall(&mut self, ahead_ms: i64) {
        self.added_ms[1] = ahead_ms;
        self.preload.set(&self.added_ms);
    }

    /// Milliseconds of the wall clock of the server ahead of the true time.
    #[must_use]
    pub fn wall_ahead_ms(&self) -> i64 {
        self.added_ms.iter().sum()
    }
}
