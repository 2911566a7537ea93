//! TLS: versions, client certificates, redirects from plain text.
//! Never: a sleep; every wait has a deadline.

mod tls; // missing, old and weak TLS
mod mutual; // clients that have to show a certificate
mod redirect; // plain-text requests to a TLS server
