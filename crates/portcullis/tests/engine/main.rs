//! Attacks on long-polling, upgrades, binary data, recovery and slow peers, over the wire.
//! Never: a sleep for a condition; every wait has a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod clients; // servers, and whether they still serve
mod boards; // clients of the examples that take binary data
mod polling; // long-polling sessions: opening, binding, bodies
mod lifetime; // upgrade, timeouts, slow peers and recovery of a connection
mod formats; // frames, packets, attachments and compression
