//! The bytes of a sealed value: version, key id, nonce, length, ciphertext, tag.
//! Never: a value of another length than its header states; decrypted bytes.

use crate::cipher::{NONCE_BYTES, TAG_BYTES};
use crate::key_id::{KEY_ID_BYTES, KeyId};

/// The version that is written: AES-256-GCM under the key of its place.
pub(crate) const VERSION: u8 = 1;
/// Of the ciphertext, big-endian. It distinguishes a truncated tag from a shorter text.
const LENGTH_BYTES: usize = 4;
pub(crate) const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES + LENGTH_BYTES;

/// The parts of a sealed value.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) key_id: KeyId,
    pub(crate) nonce: &'a [u8; NONCE_BYTES],
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: &'a [u8; TAG_BYTES],
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (version, rest) = sealed.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let (ciphertext, tag) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let tag = tag.try_into().ok()?;
        Some(Self { key_id: KeyId::from_bytes(*key_id), nonce, ciphertext, tag })
    }

    /// All bytes before the ciphertext, in a buffer with capacity for the rest.
    pub(crate) fn header(key_id: KeyId, nonce: &[u8; NONCE_BYTES], length: u32) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEADER_BYTES + length as usize + TAG_BYTES);
        sealed.push(VERSION);
        sealed.extend_from_slice(key_id.as_bytes());
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(&length.to_be_bytes());
        sealed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &[u8], tag: usize) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        let mut sealed = Envelope::header(KeyId::from_bytes([3; 8]), &[4; 12], length);
        sealed.extend_from_slice(text);
        sealed.extend(std::iter::repeat_n(9, tag));
        sealed
    }

    #[test]
    fn parsed_value_has_the_parts_it_was_written_with() {
        for text in [&b""[..], b"text", &[0; 500]] {
            let sealed = sealed(text, 16);
            let envelope = Envelope::parse(&sealed).unwrap();
            assert_eq!(envelope.key_id, KeyId::from_bytes([3; 8]));
            assert_eq!((envelope.nonce, envelope.tag), (&[4; 12], &[9; 16]));
            assert_eq!(envelope.ciphertext, text);
        }
    }

    // The parser has no key, so its rejections happen before decryption.
    #[test]
    fn t_152_short_tag_is_rejected_before_decryption() {
        for text in [&b""[..], b"text", &[0; 500]] {
            for tag in [15, 12, 8, 4, 0, 17, 32] {
                assert!(Envelope::parse(&sealed(text, tag)).is_none(), "{tag}");
            }
            let whole = sealed(text, 16);
            for length in 0..whole.len() {
                assert!(Envelope::parse(whole.get(..length).unwrap()).is_none(), "{length}");
            }
        }
    }

    #[test]
    fn unknown_version_or_wrong_length_is_rejected() {
        let whole = sealed(b"text", 16);
        for (at, byte) in [(0, 0), (0, 2), (0, 255), (21, 255), (22, 1), (24, 3), (24, 5)] {
            let mut changed = whole.clone();
            changed[at] = byte;
            assert!(Envelope::parse(&changed).is_none(), "{at} {byte}");
        }
    }
}
