//! Attacks before authentication, over the wire: TLS, origin, host, HTTP, upgrade, headers.
//! Never: a sleep; every wait has a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod clients; // a server, and whether it still serves
mod origin; // which pages get in
mod cors; // what other pages may read
mod host; // by which name the server is asked
mod start; // configurations the server refuses to start with
mod tls; // missing, old and weak TLS
mod mutual; // clients that have to show a certificate
mod redirect; // plain text where TLS is spoken next door
mod upgrade; // invalid opening handshakes
mod heads; // heads too slow, too large, too many
mod framing; // requests that can be read in two ways
mod paths; // paths and methods that name nothing
mod headers; // security headers on every answer
mod faults; // answers after faults of the server
mod private; // the private listener
