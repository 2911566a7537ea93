//! Attacks before authentication, over the wire: TLS, origin, host, HTTP, upgrade, headers.
//! Never: a sleep; every wait has a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod clients; // a server, and whether it still serves
mod browsers; // requests of browsers: origins, CORS, host names, security headers
mod start; // configurations the server refuses to start with
mod encryption; // TLS: versions, client certificates, redirects from plain text
mod http; // HTTP heads, framing, paths, and the WebSocket handshake
mod faults; // answers after faults of the server
mod private; // the private listener
