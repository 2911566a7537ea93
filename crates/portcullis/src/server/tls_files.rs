//! TLS of an application's server: a chain and its key in PEM, versions 1.3 and 1.2.
//! Never: early data, or a protocol other than `http/1.1`.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::error::Error;

/// Reads a chain and its key.
pub(crate) fn read(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, Error> {
    let unreadable = |what: &str, why: String| Error::Tls(format!("the {what}: {why}"));
    let chain = CertificateDer::pem_slice_iter(certificate_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable("certificate cannot be read", error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|error| unreadable("key cannot be read", error.to_string()))?;
    let built = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key));
    let mut config = built
        .map_err(|error| unreadable("certificate and its key cannot be used", error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // An attacker who recorded early data could replay it.
    config.max_early_data_size = 0;
    config.ticketer = Ticketer::new().map_err(|error| {
        unreadable("keys of session tickets cannot be created", error.to_string())
    })?;
    Ok(Arc::new(config))
}
