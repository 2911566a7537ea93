//! An authenticator: the codes of a second factor (RFC 6238).
//! Never: a code made by the product's own library.

use aws_lc_rs::hmac;

use crate::tokens::forge::now_s;

/// The code of a secret in base 32, for the step that lies so many steps of 30 s ahead.
///
/// # Panics
/// If the secret is not base32.
#[must_use]
pub fn authenticator_code(secret: &str, ahead: i64) -> String {
    let step = now_s() / 30 + ahead;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let sum = hmac::sign(&key, &step.to_be_bytes());
    let sum = sum.as_ref();
    let at = usize::from(sum[19] & 15);
    let number = u32::from_be_bytes([sum[at], sum[at + 1], sum[at + 2], sum[at + 3]]);
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            other => panic!("{other} is not a letter of base32"),
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.extend((bits >> held).to_be_bytes().last());
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_32_decoding_matches_rfc_4648() {
        assert_eq!(base32("MZXW6YTBOI"), b"foobar");
        assert_eq!(base32("MY"), b"f");
    }
}
