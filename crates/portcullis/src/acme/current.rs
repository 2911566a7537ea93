//! The certificate of the authority that is in use.
//! Never: the temporary one.

use crate::acme::schedule::Jitter;
use crate::acme::stored::IssuedCertificate;
use crate::tls::certificate::Validity;

/// The certificate in use.
pub(crate) struct Current {
    pub(crate) der: Vec<u8>,
    /// The address of the authority that issued it.
    pub(crate) directory: String,
    pub(crate) validity: Validity,
    /// The random part of the time of its renewal.
    pub(crate) jitter: Jitter,
}

impl Current {
    pub(crate) fn new(issued: &IssuedCertificate) -> Self {
        let der = issued.key.cert.first().map(|own| own.to_vec()).unwrap_or_default();
        let directory = issued.directory.clone();
        Self { der, directory, validity: issued.validity, jitter: Jitter::random() }
    }
}
