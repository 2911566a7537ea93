//! The key that signs our own tokens, and what the world may know of it.
//! Never: the private half outside this file and its own file on disk.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::{Issuer, IssuerKey};
use portcullis_seal::private_file::{self, PrivateFileError};
use serde_json::json;

use crate::AccountOptions;

/// The key's file, in the directory of keys.
const FILE_NAME: &str = "token-signing.ed25519.pkcs8";

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file holds something else.
    #[error("{} holds no Ed25519 key: restore it, or move it away for a new one", .0.display())]
    Content(PathBuf),
    /// The machine gives no randomness, or the library cannot make a key.
    #[error("cannot make a signing key: no randomness")]
    Generate,
}

/// The Ed25519 key pair of our own tokens (RFC 8037).
pub struct SigningKeys {
    pair: Ed25519KeyPair,
    key_id: String,
}

impl SigningKeys {
    /// Reads the key from a directory; makes the directory and the key when there is none.
    ///
    /// The file has mode 0600 and appears whole: two starts at once end with the same key.
    ///
    /// # Errors
    /// [`KeyError`] when the file can be read by others, is no key, or cannot be made.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        private_file::create_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if private_file::read(&path)?.is_none() {
            let random = SystemRandom::new();
            let mut suffix = [0u8; 8];
            random.fill(&mut suffix).map_err(|_| KeyError::Generate)?;
            let fresh = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyError::Generate)?;
            private_file::create(&path, fresh.as_ref(), &URL_SAFE_NO_PAD.encode(suffix))?;
        }
        let stored = private_file::read(&path)?.ok_or_else(|| KeyError::Content(path.clone()))?;
        let pair =
            Ed25519KeyPair::from_pkcs8(stored.expose()).map_err(|_| KeyError::Content(path))?;
        Ok(Self { key_id: thumbprint(pair.public_key().as_ref()), pair })
    }

    /// The key's name (`kid`): its thumbprint, so that another key never has the same.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// How the gate recognises tokens signed with this key.
    #[must_use]
    pub fn issuer(&self, options: &AccountOptions) -> Issuer {
        Issuer {
            issuer: options.issuer.clone(),
            audience: options.audience.clone(),
            own: true,
            key_id: Some(self.key_id.clone()),
            key: IssuerKey::EdDsaPublic(self.pair.public_key().as_ref().to_vec()),
        }
    }

    /// The public half as a JSON Web Key Set (RFC 7517 section 5).
    #[must_use]
    pub fn jwks_json(&self) -> String {
        let public = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "x": public,
            "kid": self.key_id,
            "alg": "EdDSA",
            "use": "sig",
        }] })
        .to_string()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKeys").field("kid", &self.key_id).finish_non_exhaustive()
    }
}

/// RFC 7638 section 3: the digest of the required members, in this order, without spaces.
fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let required = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, required.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_thumbprint_of_rfc_8037_appendix_a_3() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("deep/keys");
        let first = SigningKeys::load_or_create(&keys).unwrap();
        let second = SigningKeys::load_or_create(&keys).unwrap();
        assert_eq!(first.key_id(), second.key_id());
        assert_eq!(first.sign(b"x"), second.sign(b"x"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&keys.join(FILE_NAME))), (0o700, 0o600));
        assert_eq!(format!("{first:?}"), format!("SigningKeys {{ kid: {:?}, .. }}", first.key_id));
    }

    #[test]
    fn a_file_that_is_no_key_stops_the_start() {
        let directory = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"-----BEGIN PRIVATE KEY-----", &[0; 83]] {
            private_file::replace(&directory.path().join(FILE_NAME), content, "a").unwrap();
            let outcome = SigningKeys::load_or_create(directory.path());
            assert!(matches!(outcome, Err(KeyError::Content(_))), "{content:?}");
        }
    }

    #[test]
    fn the_published_set_has_the_public_half_only() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path()).unwrap();
        let set: serde_json::Value = serde_json::from_str(&keys.jwks_json()).unwrap();
        let key = set["keys"][0].as_object().unwrap();
        let mut names: Vec<_> = key.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(key["kid"], keys.key_id());
    }
}
