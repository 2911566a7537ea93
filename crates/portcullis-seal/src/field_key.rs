//! A key of the keyring, and the keys of single places derived from it.
//! Never: a printed key; a key that encrypts a value directly.

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::rand::SecureRandom;
use portcullis_model::Secret;
use zeroize::Zeroizing;

use crate::cipher::{CIPHER_KEY_BYTES, Cipher};
use crate::key_id::{KEY_ID_BYTES, KeyId};
use crate::line_fault::LineFault;

pub(crate) const FIELD_KEY_BYTES: usize = 32;
/// Purposes of derived bytes, so that a key id reveals nothing about the key of a place.
const FOR_PLACE: &[u8] = b"portcullis field key, place:";
const FOR_ID: &[u8] = b"portcullis field key, id:";

/// A key of the keyring. Values are sealed under keys derived from it, one for each place.
pub(crate) struct FieldKey {
    id: KeyId,
    created_unix_ms: i64,
    /// On the heap, so that moving the key leaves no copy behind.
    bytes: Secret<Vec<u8>>,
}

impl FieldKey {
    pub(crate) fn generate(
        random: &dyn SecureRandom,
        created_unix_ms: i64,
    ) -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new(vec![0; FIELD_KEY_BYTES]);
        random.fill(&mut bytes)?;
        Self::parse(&mut bytes, created_unix_ms).map_err(|_| Unspecified)
    }

    /// Takes the bytes of a key out of a buffer.
    pub(crate) fn parse(bytes: &mut Vec<u8>, created_unix_ms: i64) -> Result<Self, LineFault> {
        if bytes.len() != FIELD_KEY_BYTES {
            return Err(LineFault::KeyLength(bytes.len()));
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(LineFault::KeyZero);
        }
        let id = derive_id(bytes, created_unix_ms).map_err(|_| LineFault::KeyUnusable)?;
        Ok(Self { id, created_unix_ms, bytes: Secret::new(std::mem::take(bytes)) })
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn created_unix_ms(&self) -> i64 {
        self.created_unix_ms
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// The key of one place (RFC 5869 section 2.3: HKDF-Expand).
    ///
    /// Random 96-bit nonces are good for 2^32 values under one key (NIST SP 800-38D section 8.3),
    /// and a count would have to survive restarts and restored backups. With a key for each place
    /// that bound holds for one field of one record, which is written far less often than that.
    pub(crate) fn cipher(&self, associated: &[u8]) -> Result<Cipher, Unspecified> {
        let mut key = Zeroizing::new([0; CIPHER_KEY_BYTES]);
        let info = [FOR_PLACE, associated];
        prk(self.bytes.expose()).expand(&info, &AES_256_GCM)?.fill(key.as_mut_slice())?;
        Cipher::new(&key)
    }
}

/// The key is uniformly random already: RFC 5869 section 3.3 lets it skip HKDF-Extract.
fn prk(bytes: &[u8]) -> Prk {
    Prk::new_less_safe(HKDF_SHA256, bytes)
}

fn derive_id(bytes: &[u8], created_unix_ms: i64) -> Result<KeyId, Unspecified> {
    let mut derived = [0; 32];
    let created = created_unix_ms.to_be_bytes();
    prk(bytes).expand(&[FOR_ID, &created], HKDF_SHA256)?.fill(&mut derived)?;
    let (id, _) = derived.split_first_chunk::<KEY_ID_BYTES>().ok_or(Unspecified)?;
    Ok(KeyId::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], created_unix_ms: i64) -> Result<KeyId, LineFault> {
        FieldKey::parse(&mut bytes.to_vec(), created_unix_ms).map(|key| key.id())
    }

    #[test]
    fn invalid_key_is_rejected() {
        assert_eq!(parse(&[1; 31], 5), Err(LineFault::KeyLength(31)));
        assert_eq!(parse(&[1; 33], 5), Err(LineFault::KeyLength(33)));
        assert_eq!(parse(&[], 5), Err(LineFault::KeyLength(0)));
        assert_eq!(parse(&[0; 32], 5), Err(LineFault::KeyZero));
    }

    #[test]
    fn key_id_depends_on_the_key_and_its_time() {
        let id = parse(&[1; 32], 5).unwrap();
        assert_eq!(parse(&[1; 32], 5).unwrap(), id);
        assert_ne!(parse(&[1; 32], 6).unwrap(), id);
        assert_ne!(parse(&[2; 32], 5).unwrap(), id);
    }
}
