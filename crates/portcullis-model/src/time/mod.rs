//! Time: clocks, the deadline of a request, and counts of durations.
//! Never: waits.

mod clock; // the current time, as a value
mod deadline; // when the request on this thread must be answered
mod histogram; // counts of durations

pub use clock::{Clock, Moment, Now, SystemClock};
pub use deadline::{Deadline, DeadlineFuture};
pub use histogram::{TimeCounts, TimeHistogram};
