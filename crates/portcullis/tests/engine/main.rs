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
mod opening; // session ids, parameters, methods, floods
mod addresses; // sessions of clients with several addresses
mod binding; // the client that a session belongs to
mod bodies; // posted bodies, polled packets, overlaps
mod upgrades; // a WebSocket takes over
mod deadlines; // silence and chatter
mod slow; // peers that do not read, write or go
mod frames; // exact bounds, floods, every bad text
mod packets; // numbers, payloads, namespaces left
mod binary; // attachments
mod acknowledgements; // answers to what the server asks
mod recovery; // places that are taken again
mod compression; // permessage-deflate, where it is switched on
