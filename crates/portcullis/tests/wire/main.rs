//! Attacks on frames, packets, tokens and records, over the wire.
//! Never: a sleep; every wait has a deadline.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod clients; // a server, and whether it still serves
mod frames; // bytes that break RFC 6455
mod packets; // packets that break Engine.IO or Socket.IO
mod tokens; // invalid tokens
mod access; // authorization
mod slow; // peers that do not read, write or go
mod records; // what is written about all this
