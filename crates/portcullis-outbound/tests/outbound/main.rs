//! Requests to hand-written peers on loopback.
//! Never: the network, a sleep, a fixed port.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a peer that fails fails the test"
)]

mod peer; // a server of a few bytes, with and without TLS
mod addresses; // who is never connected to
mod answers; // what is sent, and what is taken
mod bounds; // answers that are too much, too slow, or no HTTP
mod trust; // whose certificates are taken
