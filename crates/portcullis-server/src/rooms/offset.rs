//! Recovery offsets in the form that clients receive: encrypted, so that they reveal no count.
//! Never: offsets of another process; this one does not have its history.

use std::sync::LazyLock;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::random::random_bytes;

/// The offset and the code that authenticates it, each 8 bytes.
const SEALED_BYTES: usize = 16;

/// The key of this process. Offsets are valid only as long as the process.
static KEY: LazyLock<Option<OffsetKey>> = LazyLock::new(OffsetKey::random);

/// Encrypts offsets deterministically (SIV, RFC 5297 section 2.1, with HMAC-SHA256).
///
/// A message has the same text for every recipient, and two texts do not reveal their order.
struct OffsetKey {
    code: hmac::Key,
    stream: hmac::Key,
}

/// Encrypts an offset; `None` when the system provides no randomness.
pub(crate) fn seal(offset: u64) -> Option<String> {
    KEY.as_ref().map(|key| key.seal(offset))
}

/// Decrypts an offset that this process has encrypted.
pub(crate) fn open(text: &str) -> Option<u64> {
    KEY.as_ref()?.open(text)
}

impl OffsetKey {
    fn random() -> Option<Self> {
        let key = |secret: [u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let (code, stream) = (random_bytes().ok().map(key)?, random_bytes().ok().map(key)?);
        Some(Self { code, stream })
    }

    fn seal(&self, offset: u64) -> String {
        let plain = offset.to_be_bytes();
        let code = first_bytes(&self.code, &plain);
        let hidden = xor(plain, first_bytes(&self.stream, &code));
        URL_SAFE_NO_PAD.encode([code, hidden].concat())
    }

    fn open(&self, text: &str) -> Option<u64> {
        let mut sealed = [0; SEALED_BYTES + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut sealed).ok()?;
        let sealed: [u8; SEALED_BYTES] = sealed.get(..length)?.try_into().ok()?;
        let (code, hidden) = sealed.split_first_chunk::<8>()?;
        let hidden = *hidden.first_chunk::<8>()?;
        let plain = xor(hidden, first_bytes(&self.stream, code));
        verify_slices_are_equal(&first_bytes(&self.code, &plain), code).ok()?;
        Some(u64::from_be_bytes(plain))
    }
}

fn first_bytes(key: &hmac::Key, of: &[u8]) -> [u8; 8] {
    let tag = hmac::sign(key, of);
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

fn xor(left: [u8; 8], right: [u8; 8]) -> [u8; 8] {
    (u64::from_be_bytes(left) ^ u64::from_be_bytes(right)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sealed_offset_opens_as_itself_and_is_deterministic() {
        for offset in [0, 1, 2, 255, 1 << 40, u64::MAX] {
            let text = seal(offset).unwrap();
            assert_eq!((open(&text), seal(offset)), (Some(offset), Some(text.clone())));
            assert!(text.len() == 22 && text.parse::<u64>().is_err(), "{text}");
        }
    }

    #[test]
    fn adjacent_offsets_have_unrelated_texts() {
        let texts: Vec<String> = (0..1_000).map(|offset| seal(offset).unwrap()).collect();
        for from in 0..20 {
            let parts: HashSet<&str> = texts.iter().map(|text| &text[from..from + 2]).collect();
            assert!(parts.len() > 500, "characters {from} and {}: {}", from + 1, parts.len());
        }
        let ordered = texts.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((350..650).contains(&ordered), "{ordered} of 999 ascend");
    }

    #[test]
    fn modified_or_foreign_offset_is_rejected() {
        let text = seal(7).unwrap();
        let other = OffsetKey::random().unwrap().seal(7);
        let longer = format!("{text}A");
        for wrong in ["", "7", "0000000000000007", &text[..21], &longer, &other, "!", "\u{e9}"] {
            assert_eq!(open(wrong), None, "{wrong}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(open(&changed), None, "{at}");
        }
    }
}
