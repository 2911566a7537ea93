//! Checks over connections to the server's own listeners.
//! Never: a connection to another machine.

pub(super) mod probe; // connects as a client
pub(super) mod chain; // the certificates that the server sends
pub(super) mod tls; // D2
pub(super) mod headers; // D3
pub(super) mod private_listener; // D14
