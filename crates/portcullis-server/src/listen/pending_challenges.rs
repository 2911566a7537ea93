//! Pending challenges of a certificate authority, and the answers to its requests (RFC 8555).
//! Never: an answer to any other request; a table that clients fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::server::Acceptor;

/// The protocol name of a validation over TLS (RFC 8737 section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";
/// The folder of the answers over HTTP (RFC 8555 section 8.3).
const HTTP_FOLDER: &str = "/.well-known/acme-challenge/";
/// Most challenges that are pending at once: one for each name of a certificate.
pub const CHALLENGES_MAX: usize = 100;

/// The answer to a challenge.
#[derive(Clone)]
pub enum ChallengeAnswer {
    /// HTTP-01 (RFC 8555 section 8.3): the token in the path, and the content for it.
    Http {
        /// The token of the authority.
        token: String,
        /// The key authorization.
        content: String,
    },
    /// TLS-ALPN-01 (RFC 8737): a name, and TLS with the certificate that proves control of it.
    Tls {
        /// The name, in lower case.
        name: String,
        /// TLS for this validation only.
        config: Arc<ServerConfig>,
    },
}

impl ChallengeAnswer {
    fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Http { token, .. } => ("http", token),
            Self::Tls { name, .. } => ("tls", name),
        }
    }
}

/// The pending challenges of this server. Clones share them.
///
/// The table has [`CHALLENGES_MAX`] entries at most, and only the server itself adds some.
#[derive(Clone, Default)]
pub struct PendingChallenges {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: RwLock<Vec<ChallengeAnswer>>,
    /// The number of answers, so that other requests take no lock.
    count: AtomicUsize,
}

impl PendingChallenges {
    /// Adds a challenge in place of a former one with its token or name.
    ///
    /// False if the table is full.
    #[must_use]
    pub fn add(&self, answer: ChallengeAnswer) -> bool {
        let mut answers = self.shared.answers.write();
        answers.retain(|former| former.key() != answer.key());
        let has_space = answers.len() < CHALLENGES_MAX;
        if has_space {
            answers.push(answer);
            self.shared.count.store(answers.len(), Ordering::Release);
        }
        has_space
    }

    /// Removes all challenges.
    pub fn clear(&self) {
        let mut answers = self.shared.answers.write();
        answers.clear();
        self.shared.count.store(0, Ordering::Release);
    }

    /// Whether a challenge is pending.
    pub(crate) fn is_pending(&self) -> bool {
        self.shared.count.load(Ordering::Acquire) > 0
    }

    /// The content for a path that names exactly a pending token.
    pub(crate) fn http_content(&self, path: &str) -> Option<String> {
        if !self.is_pending() {
            return None;
        }
        let requested = path.strip_prefix(HTTP_FOLDER)?;
        self.shared.answers.read().iter().find_map(|answer| match answer {
            ChallengeAnswer::Http { token, content } if token == requested => Some(content.clone()),
            ChallengeAnswer::Http { .. } | ChallengeAnswer::Tls { .. } => None,
        })
    }

    /// TLS for a ClientHello that validates a pending name.
    ///
    /// The hello offers `acme-tls/1` and nothing else (RFC 8737 section 3).
    pub(crate) fn tls_config(&self, hello: &[u8]) -> Option<Arc<ServerConfig>> {
        if !self.is_pending() {
            return None;
        }
        let validated = validated_name(hello)?;
        self.shared.answers.read().iter().find_map(|answer| match answer {
            ChallengeAnswer::Tls { name, config } if *name == validated => Some(Arc::clone(config)),
            ChallengeAnswer::Http { .. } | ChallengeAnswer::Tls { .. } => None,
        })
    }
}

/// The name that a complete ClientHello validates, in lower case.
fn validated_name(mut hello: &[u8]) -> Option<String> {
    let mut acceptor = Acceptor::default();
    while !hello.is_empty() {
        if acceptor.read_tls(&mut hello).ok()? == 0 {
            return None;
        }
        let Some(accepted) = acceptor.accept().ok()? else { continue };
        let hello = accepted.client_hello();
        let offers_only_validation = hello.alpn()?.eq([ACME_TLS]);
        let name = hello.server_name()?.to_ascii_lowercase();
        return offers_only_validation.then_some(name);
    }
    None
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;
    use crate::listen::tls_protocol::{TlsVersions, tls_builder};

    fn http(token: &str) -> ChallengeAnswer {
        ChallengeAnswer::Http { token: token.into(), content: format!("{token}.thumbprint") }
    }

    #[test]
    fn only_the_exact_path_of_a_pending_token_has_content() {
        let challenges = PendingChallenges::default();
        let path = "/.well-known/acme-challenge/abc_-1";
        assert_eq!(challenges.http_content(path), None, "nothing is pending");
        assert!(challenges.add(http("abc_-1")));
        assert_eq!(challenges.http_content(path).as_deref(), Some("abc_-1.thumbprint"));
        for other in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge/abc_-",
            "/.well-known/acme-challenge/abc_-12",
            "/.well-known/acme-challenge/ABC_-1",
            "/.well-known/acme-challenge/abc_-1/",
            "/.well-known/acme-challenge//abc_-1",
            "/.well-known/acme-challenge/../acme-challenge/abc_-1",
            "/.well-known/acme-challenge/abc_%2D1",
            "/well-known/acme-challenge/abc_-1",
            "/abc_-1",
            "",
        ] {
            assert_eq!(challenges.http_content(other), None, "{other}");
        }
        challenges.clear();
        assert_eq!(challenges.http_content(path), None, "the challenge has ended");
    }

    #[test]
    fn table_is_bounded() {
        let challenges = PendingChallenges::default();
        for number in 0..CHALLENGES_MAX {
            assert!(challenges.add(http(&number.to_string())));
        }
        assert!(!challenges.add(http("one more")));
        assert_eq!(challenges.http_content("/.well-known/acme-challenge/one more"), None);
    }

    fn hello(name: &'static str, protocols: &[&[u8]]) -> Vec<u8> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = rustls::pki_types::ServerName::try_from(name).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    // RFC 8737 section 3: one protocol name, and the name under validation.
    #[test]
    fn only_a_validation_of_a_pending_name_gets_its_certificate() {
        #[derive(Debug)]
        struct NoCertificate;
        impl rustls::server::ResolvesServerCert for NoCertificate {
            fn resolve(
                &self,
                _: rustls::server::ClientHello<'_>,
            ) -> Option<Arc<rustls::sign::CertifiedKey>> {
                None
            }
        }
        let builder = tls_builder(TlsVersions::From12).unwrap().with_no_client_auth();
        let config = Arc::new(builder.with_cert_resolver(Arc::new(NoCertificate)));
        let challenges = PendingChallenges::default();
        let validation = hello("chat.example", &[ACME_TLS]);
        assert!(challenges.tls_config(&validation).is_none(), "nothing is pending");
        let name = String::from("chat.example");
        assert!(challenges.add(ChallengeAnswer::Tls { name, config }));
        let cases: [(&'static str, &[&[u8]], bool); 7] = [
            ("chat.example", &[ACME_TLS], true),
            ("CHAT.example", &[ACME_TLS], true),
            ("other.example", &[ACME_TLS], false),
            ("chat.example", &[], false),
            ("chat.example", &[b"http/1.1"], false),
            ("chat.example", &[ACME_TLS, b"http/1.1"], false),
            ("127.0.0.1", &[ACME_TLS], false),
        ];
        for (name, protocols, expect) in cases {
            let found = challenges.tls_config(&hello(name, protocols)).is_some();
            assert_eq!(found, expect, "{name} {protocols:?}");
        }
        for length in 0..validation.len() {
            assert!(challenges.tls_config(&validation[..length]).is_none(), "{length}");
        }
        challenges.clear();
        assert!(challenges.tls_config(&validation).is_none(), "the challenge has ended");
    }
}
