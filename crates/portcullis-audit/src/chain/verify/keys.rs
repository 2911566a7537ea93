//! The key of each epoch of a log, starting from a key that the operator keeps.
//! Never: a key without an unbroken row of certificates from that key.

use std::collections::HashMap;

use super::super::epoch::EpochCertificate;
use super::super::key::{PublicKey, VerifierKey};

/// The keys of one log.
#[derive(Debug)]
pub(super) struct LogKeys {
    name: String,
    /// The key that the operator gave; without one the first key of the log is taken on trust.
    anchor: Option<PublicKey>,
    by_epoch: HashMap<u64, PublicKey>,
}

/// The outcome of the check of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateOutcome {
    /// Its key is trusted.
    Trusted,
    /// It is older than the operator's key, so nothing is known about it.
    Unknown,
    /// No trusted key signed it.
    Invalid,
}

impl LogKeys {
    pub(super) fn new(name: &str, anchor: Option<PublicKey>) -> Self {
        Self { name: String::from(name), anchor, by_epoch: HashMap::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the row of certificates starts from a key that the operator gave.
    pub(super) fn is_anchored(&self) -> bool {
        self.anchor.is_some() && !self.by_epoch.is_empty()
    }

    /// Whether no key is trusted yet.
    pub(super) fn is_empty(&self) -> bool {
        self.by_epoch.is_empty()
    }

    /// Whether an epoch is older than all trusted keys.
    pub(super) fn is_before(&self, epoch: u64) -> bool {
        self.by_epoch.keys().min().is_some_and(|first| epoch < *first)
    }

    /// The key of an epoch, if it is trusted.
    pub(super) fn key(&self, epoch: u64) -> Option<&PublicKey> {
        self.by_epoch.get(&epoch)
    }

    /// Reads a certificate; those of a log come in the order of its epochs.
    pub(super) fn add(&mut self, certificate: &EpochCertificate) -> CertificateOutcome {
        let EpochCertificate { epoch, key, .. } = certificate;
        if let Some(known) = self.by_epoch.get(epoch) {
            return if known == key {
                CertificateOutcome::Trusted
            } else {
                CertificateOutcome::Invalid
            };
        }
        let signer = epoch.checked_sub(1).and_then(|before| self.by_epoch.get(&before));
        let is_trusted = match (signer, &self.anchor) {
            (Some(signer), _) => certificate.is_signed_by(&self.name, signer),
            (None, Some(anchor)) => key == anchor,
            (None, None) => *epoch == 0 && certificate.is_signed_by(&self.name, key),
        };
        if is_trusted {
            self.by_epoch.insert(*epoch, *key);
            return CertificateOutcome::Trusted;
        }
        if self.by_epoch.is_empty() {
            CertificateOutcome::Unknown
        } else {
            CertificateOutcome::Invalid
        }
    }
}

/// The first key of each log in the file of certificates, the newest log last.
///
/// Logs whose first certificate is missing or damaged are left out.
#[must_use]
pub fn root_keys(certificates: &str) -> Vec<VerifierKey> {
    let (mut keys, mut name) = (Vec::new(), None);
    for line in certificates.lines() {
        if let Some(log) = line.strip_prefix("log ") {
            name = Some(log);
        } else if let Some(log) = name
            && let Some(root) = EpochCertificate::parse(line)
            && root.epoch == 0
            && root.is_signed_by(log, &root.key)
        {
            keys.push(VerifierKey::new(log, root.key));
            name = None;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::super::super::hash::ChainHash;
    use super::super::super::key::SigningKey;
    use super::*;

    const NAME: &str = "chat.example/portcullis/7q";

    /// Certificates of the epochs 0 to 3, and their keys.
    fn row() -> (Vec<EpochCertificate>, Vec<SigningKey>) {
        let keys: Vec<_> = (0..4).map(|_| SigningKey::generate().unwrap()).collect();
        let certificates = keys.iter().enumerate().map(|(epoch, key)| {
            let signer = &keys[epoch.saturating_sub(1)];
            let at = (epoch as u64 * 10, ChainHash::start(b"log"));
            EpochCertificate::sign(NAME, (epoch as u64, key.public()), at, signer)
        });
        (certificates.collect(), keys)
    }

    #[test]
    fn certificates_are_trusted_from_the_operators_key_on() {
        let (certificates, keys) = row();
        for anchor in 0..4 {
            let mut trusted = LogKeys::new(NAME, Some(keys[anchor].public()));
            for (epoch, certificate) in certificates.iter().enumerate() {
                let expect = if epoch < anchor {
                    CertificateOutcome::Unknown
                } else {
                    CertificateOutcome::Trusted
                };
                assert_eq!(trusted.add(certificate), expect, "{anchor} {epoch}");
            }
            assert!(trusted.is_anchored());
            assert_eq!(trusted.key(3), Some(&keys[3].public()));
        }
    }

    #[test]
    fn certificate_that_no_trusted_key_signed_is_rejected() {
        let (certificates, _) = row();
        let (_, others) = row();
        let mut trusted = LogKeys::new(NAME, None);
        assert_eq!(trusted.add(&certificates[0]), CertificateOutcome::Trusted);
        let at = (10, ChainHash::start(b"log"));
        for signer in &others[..2] {
            let forged = EpochCertificate::sign(NAME, (1, others[1].public()), at, signer);
            assert_eq!(trusted.add(&forged), CertificateOutcome::Invalid);
        }
        assert_eq!(
            trusted.add(&certificates[2]),
            CertificateOutcome::Invalid,
            "an epoch is missing"
        );
        assert_eq!(trusted.add(&certificates[1]), CertificateOutcome::Trusted);
        let mut other = LogKeys::new(NAME, Some(others[0].public()));
        assert!(certificates.iter().all(|one| other.add(one) == CertificateOutcome::Unknown));
        assert!(!other.is_anchored());
    }
}
