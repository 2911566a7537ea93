//! Attacks by amount and by content, over the wire: rates, caps, sizes, JSON, text, spam.
//! Never: a sleep; every wait has a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod clients; // servers, rooms and clients that the tests share
mod rates; // how often, by address and by user
mod packets; // limits of packets that are not events
mod overload; // what each load level admits
mod simulate; // what other limits make of what was counted
mod waiting; // the admission queue
mod other_sites; // what a page of another site makes a browser send
mod admission; // blocked clients, returning clients, evictions
mod connections; // how many at a time
mod files; // a server that may open no more files
mod sizes; // how large, before anything is read
mod payloads; // JSON that is not what an event declares
mod envelopes; // numbers and ids of messages
mod characters; // Unicode that is refused or taken out
mod markup; // what a browser would run
mod spam; // links, runs and phrases
