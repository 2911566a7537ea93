//! Time: clocks, and the deadline of a request.
//! Never: waits.

mod clock; // the current time, as a value
mod deadline; // when the request on this thread must be answered

pub use clock::{Clock, Moment, Now, SystemClock};
pub use deadline::{Deadline, DeadlineFuture};
