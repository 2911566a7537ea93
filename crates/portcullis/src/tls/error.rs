//! Why the public listener has no TLS.
//! Never: text of a private key.

use crate::config::ConfigError;
use crate::tls::development::DevelopmentTlsError;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The operator's files cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The development certificates cannot be created.
    #[error(transparent)]
    Development(#[from] DevelopmentTlsError),
    /// The certificate until the first one of an authority cannot be created.
    #[error("{0}")]
    Temporary(String),
    /// The TLS library returned an error.
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}
