//! Which certificates are accepted, and TLS with their holders.
//! Never: a connection without a checked certificate; TLS below 1.2.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_native_certs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::OutboundError;
use crate::target::Target;

/// Reads the authorities, and returns a connector that trusts them.
pub(crate) fn connector(roots_pem: Option<&[u8]>) -> Result<TlsConnector, OutboundError> {
    let mut roots = RootCertStore::empty();
    match roots_pem {
        // Authorities that the operator names replace the public ones.
        Some(pem) => add_bundle(&mut roots, pem)?,
        // Systems may have authorities in old forms. They are skipped, and the others are used.
        None => drop(roots.add_parsable_certificates(load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(OutboundError::NoRoots);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::TlsSetup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The same authorities, for protocols other than HTTP.
pub(crate) fn without_protocols(connector: &TlsConnector) -> TlsConnector {
    let mut config = ClientConfig::clone(connector.config());
    config.alpn_protocols.clear();
    TlsConnector::from(Arc::new(config))
}

/// TLS over a connection, with the host that the target names.
pub(crate) async fn open(
    connector: &TlsConnector,
    target: &Target,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, OutboundError> {
    let opened = connector.connect(target.server_name()?, stream).await;
    opened.map_err(|source| OutboundError::Tls { host: target.host_text(), source })
}

/// Adds the bundle that the operator named; an unreadable part is an error.
fn add_bundle(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), OutboundError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(OutboundError::Bundle)?;
        count += 1;
        let added = roots.add(certificate);
        added.map_err(|source| OutboundError::BundleCertificate { number: count, source })?;
    }
    if count == 0 { Err(OutboundError::BundleEmpty) } else { Ok(()) }
}
