//! TLS of an application's server: a chain and its key in PEM.
//! Never: versions and cipher suites; `tls_builder` chooses them.

use std::sync::Arc;

use portcullis_server::{TlsVersions, complete_tls, tls_builder};
use rustls::ServerConfig;
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
    let built = tls_builder(TlsVersions::From12)
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key));
    let mut config = built
        .map_err(|error| unreadable("certificate and its key cannot be used", error.to_string()))?;
    complete_tls(&mut config, false).map_err(|error| {
        unreadable("keys of session tickets cannot be created", error.to_string())
    })?;
    Ok(Arc::new(config))
}
