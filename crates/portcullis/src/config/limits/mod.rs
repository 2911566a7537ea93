//! Sections about limits: rates, capacity, sizes, overload, spam.
//! Never: counting.

pub(crate) mod overload; // [overload]
pub(crate) mod capacity; // [capacity]
pub(crate) mod rate; // [rate]
pub(crate) mod message; // [message]
pub(crate) mod spam; // [spam]
