//! Sections about connections: listeners, TLS, origins, transports.
//! Never: sockets.

pub(crate) mod listen; // [listen]
pub(crate) mod hsts; // [hsts]
pub(crate) mod acme; // ACME in `[tls]`
pub(crate) mod tls; // [tls]
pub(crate) mod transport; // [transport]
pub(crate) mod origin; // [origin]
