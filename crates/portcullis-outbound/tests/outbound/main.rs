//! Requests to hand-written peers on loopback.
//! Never: the network, a sleep, a fixed port.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure of the peer fails the test"
)]

mod peer; // a server of a few bytes, with and without TLS
mod addresses; // addresses that the client never connects to
mod answers; // requests that are sent, answers that are accepted
mod bounds; // answers that are too large, too slow, or not HTTP
mod trust; // certificates that are accepted
