//! Clients of the benchmark: tokens, dialects and a raw client.
//! Never: figures.

pub(crate) mod token; // tokens of the benchmark's issuer
pub(crate) mod dialect; // messages of a client
pub(crate) mod client; // a raw client over one socket
