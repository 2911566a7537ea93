//! Proofs that an operator's program and the server have the same key, without sending it.
//! Never: the key itself, which another program on the private port would collect.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Secret;

/// The time before and after a proof within which it is accepted, in milliseconds.
pub(crate) const PROOF_LIFE_MS: u64 = 30_000;
/// Bytes of the random number that makes each proof different.
pub const NONCE_BYTES: usize = 16;
/// The header of an answer with the proof of the server.
pub const ANSWER_PROOF_HEADER: &str = "X-Portcullis-Proof";
/// The version of the format: the first part of a proof.
const VERSION: &str = "v1";
const REQUEST: &str = "portcullis operator request v1";
const ANSWER: &str = "portcullis operator answer v1";

/// The SHA-256 of a body.
pub(crate) type BodyDigest = [u8; 32];

/// A request to the private listener, as a proof covers it.
#[derive(Debug, Clone, Copy)]
pub struct OperatorRequest<'r> {
    /// The method, such as `POST`.
    pub method: &'r str,
    /// The path and query, exactly as in the request.
    pub target: &'r str,
    /// The whole body; empty without one.
    pub body: &'r [u8],
}

impl OperatorRequest<'_> {
    /// The value of `X-Portcullis-Operator`: `v1.TIME.NONCE.DIGEST.TAG`.
    ///
    /// TIME is in milliseconds since 1970. NONCE is a new random number, DIGEST the SHA-256 of the
    /// body, and TAG an HMAC-SHA-256; all three are in base64url. The server accepts the proof
    /// within 30 s and once.
    #[must_use]
    pub fn prove(&self, key: &Secret<String>, unix_ms: i64, nonce: &[u8; NONCE_BYTES]) -> String {
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let digest = URL_SAFE_NO_PAD.encode(body_digest(self.body));
        let signed = format!("{VERSION}.{unix_ms}.{nonce}.{digest}");
        let tag = hmac::sign(&hmac_key(key), &covered(&signed, self.method, self.target));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

/// The answer to a request with a proof.
#[derive(Debug, Clone, Copy)]
pub struct OperatorAnswer<'a> {
    /// The random number of the request.
    pub nonce: &'a [u8; NONCE_BYTES],
    /// The status of the answer.
    pub status: u16,
    /// The whole body of the answer.
    pub body: &'a [u8],
}

impl OperatorAnswer<'_> {
    /// The value of [`ANSWER_PROOF_HEADER`]: `v1.TAG`.
    #[must_use]
    pub fn prove(&self, key: &Secret<String>) -> String {
        let tag = hmac::sign(&hmac_key(key), &self.covered());
        format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Whether a program with the key has made this answer to this request.
    #[must_use]
    pub fn is_proven(&self, key: &Secret<String>, shown: &str) -> bool {
        let Some((VERSION, tag)) = shown.split_once('.') else { return false };
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else { return false };
        hmac::verify(&hmac_key(key), &self.covered(), &tag).is_ok()
    }

    fn covered(&self) -> Vec<u8> {
        let Self { nonce, status, body } = self;
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let digest = URL_SAFE_NO_PAD.encode(body_digest(body));
        format!("{ANSWER}\n{nonce}\n{status}\n{digest}").into_bytes()
    }
}

/// A proof that was received.
#[derive(Debug)]
pub(crate) struct OperatorProof<'h> {
    /// Everything before the tag.
    signed: &'h str,
    pub(crate) unix_ms: i64,
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) body: BodyDigest,
    tag: Vec<u8>,
}

impl<'h> OperatorProof<'h> {
    /// Reads the value of a header; `None` if it is not a proof.
    pub(crate) fn parse(shown: &'h [u8]) -> Option<Self> {
        let (signed, tag) = std::str::from_utf8(shown).ok()?.rsplit_once('.')?;
        let parts: Vec<&str> = signed.splitn(5, '.').collect();
        let [VERSION, unix_ms, nonce, body] = parts.as_slice() else { return None };
        Some(Self {
            signed,
            unix_ms: unix_ms.parse().ok()?,
            nonce: URL_SAFE_NO_PAD.decode(nonce).ok()?.try_into().ok()?,
            body: URL_SAFE_NO_PAD.decode(body).ok()?.try_into().ok()?,
            tag: URL_SAFE_NO_PAD.decode(tag).ok()?,
        })
    }

    /// Whether it was made with this key for this method and target.
    pub(crate) fn is_of(&self, key: &Secret<String>, method: &str, target: &str) -> bool {
        let covered = covered(self.signed, method, target);
        hmac::verify(&hmac_key(key), &covered, &self.tag).is_ok()
    }

    /// Whether it was made for this body.
    pub(crate) fn covers(&self, body: &[u8]) -> bool {
        verify_slices_are_equal(&self.body, &body_digest(body)).is_ok()
    }
}

fn hmac_key(key: &Secret<String>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes())
}

/// The bytes that the tag of a request covers. Methods and targets contain no line feed.
fn covered(signed: &str, method: &str, target: &str) -> Vec<u8> {
    [REQUEST, method, target, signed].join("\n").into_bytes()
}

fn body_digest(body: &[u8]) -> BodyDigest {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(digest(&SHA256, body).as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_proven_by_the_key_for_one_request_status_and_body() {
        let key = Secret::new(String::from("k7Jx2mQ9"));
        let (nonce, other_nonce) = ([7; NONCE_BYTES], [8; NONCE_BYTES]);
        let answer = OperatorAnswer { nonce: &nonce, status: 200, body: b"{\"ok\":true}" };
        let proof = answer.prove(&key);
        assert!(answer.is_proven(&key, &proof), "{proof}");
        let other_key = Secret::new(String::from("k7Jx2mQ8"));
        for (name, is_proven) in [
            ("key", answer.is_proven(&other_key, &proof)),
            ("nonce", OperatorAnswer { nonce: &other_nonce, ..answer }.is_proven(&key, &proof)),
            ("status", OperatorAnswer { status: 403, ..answer }.is_proven(&key, &proof)),
            ("body", OperatorAnswer { body: b"{}", ..answer }.is_proven(&key, &proof)),
            ("none", answer.is_proven(&key, "")),
            ("version", answer.is_proven(&key, &proof.replacen("v1", "v2", 1))),
            ("longer", answer.is_proven(&key, &format!("{proof}AAAA"))),
        ] {
            assert!(!is_proven, "another {name}");
        }
        // The proof of a request is not one of an answer.
        let request = OperatorRequest { method: "POST", target: "/", body: answer.body };
        let shown = request.prove(&key, 0, &nonce);
        let (_, tag) = shown.rsplit_once('.').unwrap();
        assert!(!answer.is_proven(&key, &format!("v1.{tag}")));
    }
}
