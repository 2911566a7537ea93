//! Reads a certificate chain and its private key from files.
//! Never: a private key that other users of the machine can read.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{ConfigError, TlsFiles, read_private};

/// Reads a chain and its key, and checks that they belong together.
pub(crate) fn read(files: &TlsFiles) -> Result<CertifiedKey, ConfigError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| certificate_fault(files, format!("it cannot be read ({error})")))?;
    if chain.is_empty() {
        return Err(certificate_fault(files, String::from("it contains no certificate")));
    }
    let key_fault = |why: String| {
        ConfigError::file(
            "tls.key_file",
            &files.key,
            why,
            "name the PEM file of the certificate's key",
        )
    };
    let text = read_private("tls.key_file", &files.key)?;
    let key = PrivateKeyDer::from_pem_slice(text.expose())
        .map_err(|error| key_fault(format!("it contains no private key ({error})")))?;
    let provider: CryptoProvider = default_provider();
    let pair = CertifiedKey::from_der(chain, key, &provider);
    pair.map_err(|error| key_fault(format!("it does not match the certificate ({error})")))
}

fn certificate_fault(files: &TlsFiles, why: String) -> ConfigError {
    let remedy = "name a PEM file with your certificate chain, the server's certificate first";
    ConfigError::file("tls.certificate_file", &files.certificate, why, remedy)
}
