//! Attacks by amount and by content, over the wire: rates, caps, sizes, JSON, text, spam.
//! Never: a sleep; every wait has a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod clients; // servers, rooms and clients that the tests share
mod amounts; // limits of rate: events, packets, requests
mod load; // capacity: load levels, admission, connections, files
mod content; // size and content: payloads, envelopes, text, markup, spam
