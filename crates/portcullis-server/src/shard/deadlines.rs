//! The deadlines of a shard's connections.
//! Never: what a deadline means; the connection decides that.

use std::cell::RefCell;

use crate::connection::state::Connection;
use crate::shard::timer::{Wheel, WheelEntry};

/// The wheel of deadlines.
pub(crate) struct Deadlines {
    wheel: RefCell<Wheel>,
}

impl Deadlines {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { wheel: RefCell::new(Wheel::new(now_ms)) }
    }

    /// Checks the connection at `at_ms` or earlier.
    pub(crate) fn set(&self, connection: &Connection, at_ms: u64) {
        let timer_ms = &connection.timers.wheel_ms;
        let mut wheel = self.wheel.borrow_mut();
        // Slots are compared, not times: a slow sender would add an entry with each read.
        if timer_ms.get() == 0 || wheel.fires_at(at_ms) < timer_ms.get() {
            timer_ms.set(wheel.arm(connection.id.number, at_ms));
        }
    }

    /// The time at which a deadline that is set now fires.
    pub(crate) fn fires_at(&self, at_ms: u64) -> u64 {
        self.wheel.borrow().fires_at(at_ms)
    }

    /// The time of the next deadline before `until_ms`.
    pub(crate) fn next_ms(&self, until_ms: u64) -> Option<u64> {
        self.wheel.borrow().next_ms(until_ms)
    }

    /// Moves all deadlines that are due to `due`.
    pub(crate) fn turn(&self, now_ms: u64, due: &mut Vec<WheelEntry>) {
        self.wheel.borrow_mut().turn(now_ms, due);
    }
}
