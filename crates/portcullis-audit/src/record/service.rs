//! The members about the server that every line has, and the hashes of session ids.
//! Never: a session id in a line.

use std::fmt::Write;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::Secret;

use crate::options::AuditOptions;
use crate::record::address::Addresses;
use crate::record::json_line::JsonLine;

/// Bytes of a session hash.
const SESSION_HASH_BYTES: usize = 10;

/// The members about the server, encoded once, and the key of the session hashes.
#[derive(Debug)]
pub(crate) struct Service {
    members: String,
    session_key: hmac::Key,
    addresses: Addresses,
}

impl Service {
    pub(crate) fn new(options: &AuditOptions) -> Self {
        let mut line = JsonLine(String::new());
        line.open("service");
        line.text("name", &options.service_name);
        line.text("version", &options.service_version);
        if !options.node_name.is_empty() {
            line.open("node");
            line.text("name", &options.node_name);
            line.close();
        }
        line.close();
        let session_key = session_key(options);
        let addresses = Addresses::new(options.addresses, session_key.clone());
        Self { members: line.0, session_key, addresses }
    }

    /// The writer of addresses.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The encoded members that every line has.
    pub(crate) fn members(&self) -> &str {
        &self.members
    }

    /// The hash of a session id: equal ids have equal hashes; it cannot be used as a session id.
    pub(crate) fn session_hash(&self, session: &Secret<String>) -> String {
        let hash = hmac::sign(&self.session_key, session.expose().as_bytes());
        let mut text = String::with_capacity(2 * SESSION_HASH_BYTES);
        for byte in hash.as_ref().iter().take(SESSION_HASH_BYTES) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The configured key, or a random key for this process.
fn session_key(options: &AuditOptions) -> hmac::Key {
    let configured = options.session_key.as_ref();
    let bytes = configured.map_or_else(random_key, |key| key.expose().clone());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

fn random_key() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    // Without randomness hashes of short session ids can be guessed; TLS and tokens fail first.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::error!(
            "the random source failed: session hashes in the security log can be guessed"
        );
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(key: Option<u8>) -> Service {
        let session_key = key.map(|byte| Secret::new(vec![byte; 32]));
        Service::new(&AuditOptions { session_key, ..AuditOptions::default() })
    }

    #[test]
    fn session_hash_depends_on_session_and_key() {
        let session = |text: &str| Secret::new(String::from(text));
        let (first, second) = (service(Some(1)), service(Some(2)));
        let hash = first.session_hash(&session("a"));
        assert_eq!(hash.len(), 2 * SESSION_HASH_BYTES);
        assert_eq!(hash, service(Some(1)).session_hash(&session("a")));
        assert_ne!(hash, first.session_hash(&session("b")));
        assert_ne!(hash, second.session_hash(&session("a")));
        let random = service(None).session_hash(&session("a"));
        assert_ne!(random, service(None).session_hash(&session("a")));
    }
}
