//! TLS of the server binary: certificates, keys, the rustls configuration.
//! Never: sockets.

pub(crate) mod server_config; // how TLS is spoken
pub(crate) mod certificate; // how long a certificate is valid, and for which names
pub(crate) mod development; // certificates for this machine only
