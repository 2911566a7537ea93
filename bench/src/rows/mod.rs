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
pub(crate) mod real_server; // rows of the real binary, with its store
pub(crate) mod compare; // the rounds
pub(crate) mod growth; // the cost of a delivery as work grows
