//! The proof that a target is the server whose private listener opened the drill.
//! Never: the key of the drill on the public listener; only values made with it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Secret;
use serde::{Deserialize, Serialize};

/// The path of the proof on the public listener, for `POST`.
pub(crate) const PATH: &str = "/.well-known/portcullis-drill";
/// The text before a challenge, so that the value proves nothing else.
const CONTEXT: &str = "portcullis drill proof v1";

/// The body of a request for a proof.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofRequest {
    /// The id of the drill, which only the private listener gives out.
    pub(crate) drill: String,
    /// A random text, which is different in each request.
    pub(crate) challenge: String,
}

/// The proof for a challenge: an HMAC-SHA-256 in base64url.
pub(crate) fn prove(key: &Secret<String>, challenge: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&hmac_key(key), &covered(challenge)))
}

/// Whether a program with the key made this proof for this challenge.
pub(crate) fn is_proven(key: &Secret<String>, challenge: &str, proof: &str) -> bool {
    let Ok(tag) = URL_SAFE_NO_PAD.decode(proof) else { return false };
    hmac::verify(&hmac_key(key), &covered(challenge), &tag).is_ok()
}

fn hmac_key(key: &Secret<String>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes())
}

fn covered(challenge: &str) -> Vec<u8> {
    [CONTEXT, challenge].join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_is_valid_for_its_key_and_challenge_only() {
        let key = Secret::new(String::from("k7Jx2mQ9"));
        let proof = prove(&key, "c1");
        assert!(is_proven(&key, "c1", &proof));
        let other = Secret::new(String::from("k7Jx2mQ8"));
        for (what, is_valid) in [
            ("key", is_proven(&other, "c1", &proof)),
            ("challenge", is_proven(&key, "c2", &proof)),
            ("nothing", is_proven(&key, "c1", "")),
            ("longer", is_proven(&key, "c1", &format!("{proof}AAAA"))),
            ("challenge in place of a proof", is_proven(&key, "c1", "c1")),
        ] {
            assert!(!is_valid, "another {what}");
        }
    }
}
