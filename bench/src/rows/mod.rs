//! Rows of the benchmark: the kinds of work, and the rounds that measure them.
//! Never: pages.

pub(crate) mod effort; // the amount of measurement
pub(crate) mod sample; // the figures of one measurement
pub(crate) mod work; // every kind of work, with its target
pub(crate) mod baseline; // the minimum cost of a round trip
pub(crate) mod connect; // a connection, made and kept
pub(crate) mod echo; // a message and its answer
pub(crate) mod fan_out; // deliveries to many members
pub(crate) mod refused; // the cost of a rejection
pub(crate) mod offenders; // its cost in the tables of offenders
pub(crate) mod product; // the real binary: guarded, stored chat messages
pub(crate) mod look_up; // a look-up beside reads of history
pub(crate) mod capacity; // slopes of the real binary, for the page about capacity
pub(crate) mod backup; // acknowledgements beside a backup
pub(crate) mod compare; // the rounds
pub(crate) mod growth; // the cost of a delivery as work grows
