//! The certificate of an epoch's key: the key of the epoch before signs it.
//! Never: a key that signs itself, but for the first of a log, which operators keep.

use super::hash::{ChainHash, decode_standard};
use super::key::{KEY_BYTES, PublicKey, SIGNATURE_BYTES, SigningKey};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// States that a key signs the notes after one line of a log.
///
/// It stands in the record `log_epoch`, and as a line of the file of certificates, so that the
/// newest key can still be verified when the first files of the log are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EpochCertificate {
    /// The number of the epoch that starts.
    pub(crate) epoch: u64,
    /// Its key.
    pub(crate) key: PublicKey,
    /// The number of the last line of the epoch before.
    pub(crate) sequence: u64,
    /// The hash of that line.
    pub(crate) head: ChainHash,
    signature: [u8; SIGNATURE_BYTES],
}

impl EpochCertificate {
    /// Certifies the key of an epoch with the key of the one before, or with itself for the first.
    pub(crate) fn sign(
        log: &str,
        (epoch, key): (u64, PublicKey),
        (sequence, head): (u64, ChainHash),
        signer: &SigningKey,
    ) -> Self {
        let statement = statement(log, epoch, &key, sequence, &head);
        Self { epoch, key, sequence, head, signature: signer.sign(&statement) }
    }

    /// Whether `signer` certified it for this log.
    pub(crate) fn is_signed_by(&self, log: &str, signer: &PublicKey) -> bool {
        let Self { epoch, key, sequence, head, signature } = self;
        signer.verify(&statement(log, *epoch, key, *sequence, head), signature)
    }

    /// One line without a line end: `EPOCH KEY SEQUENCE HEAD SIGNATURE`.
    pub(crate) fn to_text(&self) -> String {
        let Self { epoch, key, sequence, head, signature } = self;
        let (key, signature) = (STANDARD.encode(key.as_bytes()), STANDARD.encode(signature));
        format!("{epoch} {key} {sequence} {head} {signature}")
    }

    /// Reads such a line.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let epoch = next()?.parse().ok()?;
        let key = PublicKey::from_bytes(decode_standard::<KEY_BYTES>(next()?)?);
        let sequence = next()?.parse().ok()?;
        let head = ChainHash::parse(next()?.as_bytes())?;
        let signature = decode_standard(next()?)?;
        let read = Self { epoch, key, sequence, head, signature };
        (read.to_text() == text).then_some(read)
    }
}

/// The signed bytes. `log` is the name of the log; its length comes first.
fn statement(log: &str, epoch: u64, key: &PublicKey, sequence: u64, head: &ChainHash) -> Vec<u8> {
    let length = (log.len() as u64).to_be_bytes();
    let (epoch, sequence) = (epoch.to_be_bytes(), sequence.to_be_bytes());
    let parts: [&[u8]; 7] =
        [b"pc1e", &length, log.as_bytes(), &epoch, key.as_bytes(), &sequence, head.as_bytes()];
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_holds_for_one_log_key_and_line() {
        let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let head = ChainHash::start(b"log");
        let certificate =
            EpochCertificate::sign("a/portcullis/1", (2, new.public()), (9, head), &old);
        assert!(certificate.is_signed_by("a/portcullis/1", &old.public()));
        assert!(!certificate.is_signed_by("a/portcullis/2", &old.public()));
        assert!(!certificate.is_signed_by("a/portcullis/1", &new.public()));
        let changed = EpochCertificate { sequence: 10, ..certificate.clone() };
        assert!(!changed.is_signed_by("a/portcullis/1", &old.public()));
        let text = certificate.to_text();
        assert_eq!(EpochCertificate::parse(&text), Some(certificate));
        for bad in ["", "1", &text[1..], &format!("{text} "), &format!("0{text}")] {
            assert_eq!(EpochCertificate::parse(bad), None, "{bad}");
        }
    }
}
