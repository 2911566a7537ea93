//! Which certificate is shown, and how TLS is spoken: 1.2 and 1.3, `http/1.1`, no early data.
//! Never: a key that others on the machine can read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsSettings;
use crate::development_authority::DevelopmentAuthority;

/// TLS, and where the certificate authority lies if it is our own.
pub(crate) struct Tls {
    pub(crate) config: Option<Arc<ServerConfig>>,
    pub(crate) authority: Option<PathBuf>,
}

/// Makes the TLS configuration of the public listener.
pub(crate) fn load(settings: &TlsSettings, data: &Path) -> Result<Tls> {
    match settings {
        TlsSettings::Off => Ok(Tls { config: None, authority: None }),
        TlsSettings::Files { certificate, key } => {
            Ok(Tls { config: Some(config(certificate, key)?), authority: None })
        }
        TlsSettings::Development => {
            let own = DevelopmentAuthority::load_or_create(data)?;
            let config = config(&own.certificate, &own.key)?;
            Ok(Tls { config: Some(config), authority: Some(own.authority) })
        }
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read certificates from {}", certificate.display()))?;
    let mode = std::fs::metadata(key)
        .with_context(|| format!("cannot read {}", key.display()))?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        bail!("{} is readable by everyone; run: chmod 600 {}", key.display(), key.display());
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read a private key from {}", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .context("the certificate and the key do not belong together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Early data can be replayed by anyone who saw it (T-104).
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
