//! SHA-256 of texts that are stored as a hash.
//! Never: a hash of a password, which needs Argon2id.

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 digest of a text.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}
