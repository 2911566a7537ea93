//! Seals and opens one value at its place.
//! Never: an error that helps to forge a value; a plaintext that is not authentic.

use portcullis_model::Secret;
use zeroize::Zeroize;

use crate::associated_data::{PLACE_PART_MAX_BYTES, Place};
use crate::cipher::{NONCE_BYTES, TAG_BYTES};
use crate::envelope::{Envelope, HEADER_BYTES, VERSION};
use crate::field_key::FieldKey;
use crate::keys::Keys;

/// Largest value that is sealed, in bytes; the memory of one call is about twice that.
pub const PLAIN_MAX_BYTES: usize = 1024 * 1024;
/// The overhead of a sealed value, in bytes.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// Why a value was not sealed.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is over [`PLAIN_MAX_BYTES`].
    #[error("cannot seal {0} bytes: a sealed field has at most {PLAIN_MAX_BYTES}")]
    TooLarge(usize),
    /// A part of the place is over [`PLACE_PART_MAX_BYTES`].
    #[error("cannot seal: tenant, record and field have at most {PLACE_PART_MAX_BYTES} bytes each")]
    PlaceTooLong,
    /// The system returned no randomness.
    #[error("cannot seal: the system gives no randomness")]
    Randomness,
    /// The cryptographic library failed.
    #[error("cannot seal: the cipher failed")]
    Cipher,
}

portcullis_model::debug_as_sentence!(SealError);

/// A value was not opened. There is one error for all causes.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sealed value does not open here: it was changed or moved, or its key is not in the ring"
)]
pub struct OpenError;

portcullis_model::debug_as_sentence!(OpenError);

pub(crate) fn seal(
    key: &FieldKey,
    place: &Place<'_>,
    nonce: &[u8; NONCE_BYTES],
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    let too_large = SealError::TooLarge(plain.len());
    if plain.len() > PLAIN_MAX_BYTES {
        return Err(too_large);
    }
    let length = u32::try_from(plain.len()).map_err(|_| too_large)?;
    let associated = place.associated_data(VERSION, key.id()).ok_or(SealError::PlaceTooLong)?;
    let cipher = key.cipher(&associated).map_err(|_| SealError::Cipher)?;
    let mut sealed = Envelope::header(key.id(), nonce, length);
    sealed.extend_from_slice(plain);
    let text = sealed.get_mut(HEADER_BYTES..);
    let tag = text.and_then(|text| cipher.seal(nonce, &associated, text).ok());
    let Some(tag) = tag else {
        sealed.zeroize();
        return Err(SealError::Cipher);
    };
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

pub(crate) fn open(
    keys: &Keys,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Secret<Vec<u8>>, OpenError> {
    if sealed.len() > PLAIN_MAX_BYTES + OVERHEAD_BYTES {
        return Err(OpenError);
    }
    let Envelope { key_id, nonce, ciphertext, tag } = Envelope::parse(sealed).ok_or(OpenError)?;
    let key = keys.find(key_id).ok_or(OpenError)?;
    let associated = place.associated_data(VERSION, key_id).ok_or(OpenError)?;
    let cipher = key.cipher(&associated).map_err(|_| OpenError)?;
    cipher.open(nonce, &associated, ciphertext, tag).map_err(|_| OpenError)
}
