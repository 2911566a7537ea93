//! AES-256-GCM with 96-bit nonces and 128-bit tags: there is no other form.
//! Never: a choice of key or nonce; a byte of plaintext that was not authenticated.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use portcullis_model::Secret;
use zeroize::Zeroizing;

pub(crate) const CIPHER_KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

/// An expanded key; the library overwrites its schedule when it is dropped.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub(crate) fn new(key: &[u8; CIPHER_KEY_BYTES]) -> Result<Self, Unspecified> {
        UnboundKey::new(&AES_256_GCM, key).map(|key| Self(LessSafeKey::new(key)))
    }

    /// Encrypts in place and returns the tag. The caller must pass a new nonce.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Unspecified> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(associated), in_out)?;
        tag.as_ref().try_into().map_err(|_| Unspecified)
    }

    /// Decrypts an authentic value; returns no bytes of any other value.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<Secret<Vec<u8>>, Unspecified> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut plain = Zeroizing::new(vec![0; ciphertext.len()]);
        self.0.open_separate_gather(nonce, Aad::from(associated), ciphertext, tag, &mut plain)?;
        Ok(Secret::new(std::mem::take(&mut *plain)))
    }
}
