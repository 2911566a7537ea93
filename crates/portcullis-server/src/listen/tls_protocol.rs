//! TLS as the server offers it: versions, cipher suites, ALPN, resumption.
//! Never: a certificate.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};

/// The versions of TLS that a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.3 and 1.2.
    From12,
    /// 1.3 alone.
    Only13,
}

/// Begins a configuration of TLS. The cipher suites are those of rustls with aws-lc-rs: each is an
/// AEAD with forward secrecy (RFC 9325, section 4.2).
///
/// # Errors
///
/// rustls has no cipher suite for a version.
pub fn tls_builder(
    versions: TlsVersions,
) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, rustls::Error> {
    let versions: &[&rustls::SupportedProtocolVersion] = match versions {
        TlsVersions::From12 => &[&TLS13, &TLS12],
        TlsVersions::Only13 => &[&TLS13],
    };
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
}

/// Completes a configuration of TLS: `http/1.1` alone, no early data, and resumption by tickets
/// unless the server verifies client certificates.
///
/// # Errors
///
/// The keys of the tickets cannot be created.
pub fn complete_tls(
    config: &mut ServerConfig,
    verifies_clients: bool,
) -> Result<(), rustls::Error> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Early data can be replayed by anyone who saw it (T-104).
    config.max_early_data_size = 0;
    if verifies_clients {
        // A resumed session would outlive the client certificate of its first handshake.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        // Resumption by tickets whose keys rotate: shards share no table of sessions.
        config.ticketer = Ticketer::new()?;
    }
    Ok(())
}
