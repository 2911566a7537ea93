//! Certificates by ACME, from `pebble`, the test authority of Let's Encrypt.
//! Never: an authority of the internet; names are resolved by a name server of the test.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails in a test fails the test"
)]

mod authority; // an authority and a name server
mod client; // a server with such an authority, and the certificate that it shows
mod first; // the first certificate, by both challenges
mod renewal; // renewals, and failures that change nothing
mod validation; // requests of the authority, and of others that pose as it
