//! The key of a client (WebCrypto P-256): its thumbprint, and signatures made with it.
//! Never: a private half, or a key in a second spelling.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Bytes of one coordinate on P-256.
const COORDINATE_BYTES: usize = 32;
/// Bytes of an ES256 signature, `r` and `s` (RFC 7518 section 3.4).
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A JSON Web Key of the one accepted kind (RFC 7517, 7518 section 6.2.1).
///
/// A key with a private or unknown member is rejected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientJwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    #[serde(default, rename = "ext")]
    _ext: Option<bool>,
    #[serde(default, rename = "key_ops")]
    _operations: Option<Vec<String>>,
}

impl ClientJwk {
    /// The key as an uncompressed point; none unless it is a P-256 key.
    pub(crate) fn point(&self) -> Option<Vec<u8>> {
        if self.kty != "EC" || self.crv != "P-256" {
            return None;
        }
        let mut point = vec![4];
        for coordinate in [&self.x, &self.y] {
            let bytes = URL_SAFE_NO_PAD.decode(coordinate).ok()?;
            if bytes.len() != COORDINATE_BYTES {
                return None;
            }
            point.extend_from_slice(&bytes);
        }
        Some(point)
    }
}

/// The thumbprint of a key (RFC 7638 section 3.2); none unless it is an uncompressed point.
#[must_use]
pub fn thumbprint(point: &[u8]) -> Option<String> {
    let coordinates = point.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at_checked(COORDINATE_BYTES)?;
    if y.len() != COORDINATE_BYTES {
        return None;
    }
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes())))
}

/// Whether a signature is the key's; a point that is not on the curve verifies nothing.
pub(crate) fn verifies(point: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    signature.len() == SIGNATURE_BYTES
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_covers_the_key_in_one_encoding() {
        let mut point = vec![4];
        point.extend([1; 32]);
        point.extend([2; 32]);
        let print = thumbprint(&point).unwrap();
        assert_eq!(print.len(), 43);
        point[40] = 3;
        assert_ne!(thumbprint(&point).unwrap(), print);
        for wrong in [&point[..64], &point[1..], &[][..], &[&point[..], &[0]].concat()] {
            assert_eq!(thumbprint(wrong), None);
        }
    }

    #[test]
    fn only_public_p256_keys_are_read() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let cases = [
            (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#), true),
            (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","ext":true}}"#), true),
            (format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#), false),
            (format!(r#"{{"kty":"OKP","crv":"P-256","x":"{x}","y":"{x}"}}"#), false),
            (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}A"}}"#), false),
            (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}="  ,"y":"{x}"}}"#), false),
            (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","d":"{x}"}}"#), false),
        ];
        for (text, expect) in cases {
            let key: Option<ClientJwk> = serde_json::from_str(&text).ok();
            assert_eq!(key.and_then(|key| key.point()).is_some(), expect, "{text}");
        }
    }
}
