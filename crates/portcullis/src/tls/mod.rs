//! TLS of the server binary: certificates, keys, the rustls configuration.
//! Never: sockets.

pub(crate) mod server_config; // TLS of the public listener
pub(crate) mod certificate; // validity and names of a certificate
pub(crate) mod certificate_files; // a chain and its key, read from files
pub(crate) mod development; // certificates for this machine only
pub(crate) mod probe_client; // a TLS client that checks a server
pub(crate) mod error; // why there is no TLS
