//! The answer to a challenge: a text over HTTP, or a certificate over TLS.
//! Never: a certificate that a client could take for that of the server.

use std::sync::Arc;

use instant_acme::{ChallengeHandle, ChallengeType, Error};
use portcullis_server::{ACME_TLS, ChallengeAnswer, TlsVersions, tls_builder};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::AcmeChallenge;

/// The type of a challenge in the protocol.
pub(super) fn challenge_type(challenge: AcmeChallenge) -> ChallengeType {
    match challenge {
        AcmeChallenge::Http => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn => ChallengeType::TlsAlpn01,
    }
}

/// The answer to a challenge for a name.
pub(super) fn answer(
    challenge: AcmeChallenge,
    handle: &ChallengeHandle<'_>,
    name: &str,
) -> Result<ChallengeAnswer, Error> {
    let authorization = handle.key_authorization();
    match challenge {
        AcmeChallenge::Http => Ok(ChallengeAnswer::Http {
            token: handle.token.clone(),
            content: String::from(authorization.as_str()),
        }),
        AcmeChallenge::TlsAlpn => {
            let config = validation_tls(name, authorization.digest().as_ref());
            let config = config.map_err(|error| Error::Other(error.into()))?;
            Ok(ChallengeAnswer::Tls { name: name.to_ascii_lowercase(), config: Arc::new(config) })
        }
    }
}

/// TLS with a certificate of the digest (RFC 8737 section 3), for this validation only.
fn validation_tls(name: &str, digest: &[u8]) -> anyhow::Result<ServerConfig> {
    let mut params = CertificateParams::new(vec![String::from(name)])?;
    params.distinguished_name = DistinguishedName::new();
    anyhow::ensure!(digest.len() == 32, "the digest of a challenge has 32 bytes");
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // The extension is critical, so the check of an ordinary certificate would reject it.
    let key = default_provider().key_provider.load_private_key(der)?;
    let pair = CertifiedKey::new(vec![certificate.der().clone()], key);
    let builder = tls_builder(TlsVersions::From12)?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_offers_one_protocol_and_no_resumption() {
        let config = validation_tls("chat.example", &[7; 32]).unwrap();
        assert_eq!(config.alpn_protocols, [b"acme-tls/1"]);
        assert_eq!((config.send_tls13_tickets, config.max_early_data_size), (0, 0));
        assert!(validation_tls("chat.example", &[7; 31]).is_err());
    }
}
