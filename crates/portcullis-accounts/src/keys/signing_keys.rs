//! The key set that signs access tokens: one key signs, older keys still verify for a while.
//! Never: a private key outside the file of the set, or two keys that sign.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_guard::{Issuer, IssuerKey};
use portcullis_model::{Denial, FileFormat, Secret};
use portcullis_seal::private_file;
use serde_json::json;

use super::error::KeyError;
use super::key_directory::{self, temporary_suffix};
use super::signing_key::SigningKey;
use crate::options::AccountOptions;
use crate::tokens::access_token::{self, ACCESS_TOKEN_LIFE_S, AccessClaims};

/// The file of the key set, in the directory of keys.
const FILE_NAME: &str = "token-signing.ring";
/// The file of the single key of older versions; it is read once and not changed.
const OLD_FILE_NAME: &str = "token-signing.ed25519.pkcs8";
/// The first line of the file.
const FORMAT: FileFormat = FileFormat::new("portcullis-token-signing ", 1);
/// Most keys in the set, including those that no longer verify.
const KEYS_MAX: usize = 8;
/// How long a replaced key still verifies: the life of a token, and a minute for clocks.
const OLD_KEY_LIFE_MS: i64 = (ACCESS_TOKEN_LIFE_S + 60) * 1000;

/// The public facts about a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyFacts {
    /// The key id (`kid`).
    pub id: String,
    /// When it was created.
    pub created_unix_ms: i64,
    /// Until when its tokens are accepted; `None` for the key that signs.
    pub until_unix_ms: Option<i64>,
}

/// The keys that sign access tokens; all clones share one state.
#[derive(Clone)]
pub struct SigningKeys {
    directory: PathBuf,
    keys: Arc<RwLock<Vec<SigningKey>>>,
}

impl SigningKeys {
    /// Reads the key set from a directory; creates the directory and a first key if needed.
    ///
    /// The file has mode 0600 and is created atomically: two starts at the same time get the same
    /// key.
    ///
    /// # Errors
    /// [`KeyError`] when other users can read the file, it has other content, or it cannot be
    /// created.
    pub fn load_or_create(directory: &Path, now_unix_ms: i64) -> Result<Self, KeyError> {
        private_file::create_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if private_file::read(&path)?.is_none() {
            let first = first_key(directory, now_unix_ms)?;
            private_file::create(
                &path,
                render(&[first])?.expose().as_bytes(),
                &temporary_suffix()?,
            )?;
        }
        let keys = Arc::new(RwLock::new(read(directory)?));
        Ok(Self { directory: directory.to_path_buf(), keys })
    }

    /// Reads the key set from a directory, for commands beside a running server.
    ///
    /// # Errors
    /// [`KeyError`] when the file is missing, other users can read it, or it has other content.
    pub fn read(directory: &Path) -> Result<Self, KeyError> {
        let keys = Arc::new(RwLock::new(read(directory)?));
        Ok(Self { directory: directory.to_path_buf(), keys })
    }

    /// Reads the key set from a directory; `None` if the server has not created it.
    ///
    /// # Errors
    /// [`KeyError`] when other users can read the file, or it has other content.
    pub fn find(directory: &Path) -> Result<Option<Self>, KeyError> {
        if private_file::read(&directory.join(FILE_NAME))?.is_none() {
            return Ok(None);
        }
        Self::read(directory).map(Some)
    }

    /// Reads the file again; returns whether another process has changed it.
    ///
    /// # Errors
    /// [`KeyError`] when the file is invalid; the keys in memory do not change then.
    pub fn reload(&self) -> Result<bool, KeyError> {
        let fresh = read(&self.directory)?;
        let mut keys = self.keys.write();
        let known = |keys: &[SigningKey]| keys.iter().map(facts).collect::<Vec<_>>();
        let changed = known(&keys) != known(&fresh);
        *keys = fresh;
        Ok(changed)
    }

    /// Creates a new key that signs from now on; tokens of the old key stay valid until they
    /// expire.
    ///
    /// # Errors
    /// [`KeyError`] when the file is locked or cannot be written; nothing has changed then.
    pub fn rotate(&self, now_unix_ms: i64) -> Result<String, KeyError> {
        self.change(|keys| {
            keys.retain(|key| verifies(key, now_unix_ms));
            for key in keys.iter_mut().filter(|key| key.until_unix_ms.is_none()) {
                key.until_unix_ms = Some(now_unix_ms.saturating_add(OLD_KEY_LIFE_MS));
            }
            // After more than one rotation a minute, the oldest key is removed early.
            let spare = keys.len().saturating_sub(KEYS_MAX - 1);
            keys.drain(..spare);
            let fresh = SigningKey::generate(now_unix_ms).ok_or(KeyError::Generate)?;
            let id = String::from(fresh.id());
            keys.push(fresh);
            Ok(id)
        })
    }

    /// Removes a key at once: its tokens, and connections opened with them, become invalid.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Current`], or as [`SigningKeys::rotate`].
    pub fn revoke(&self, id: &str) -> Result<(), KeyError> {
        self.change(|keys| {
            let found = keys.iter().find(|key| key.id() == id);
            let found = found.ok_or_else(|| KeyError::Unknown(String::from(id)))?;
            if found.until_unix_ms.is_none() {
                return Err(KeyError::Current(String::from(id)));
            }
            keys.retain(|key| key.id() != id);
            Ok(())
        })
    }

    /// All keys; the last one signs.
    #[must_use]
    pub fn list(&self) -> Vec<SigningKeyFacts> {
        self.keys.read().iter().map(facts).collect()
    }

    /// The id (`kid`) of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.with_current(|key| String::from(key.id())).unwrap_or_default()
    }

    /// The issuer entries with which the gate verifies tokens of this set: one entry a key.
    #[must_use]
    pub fn issuers(&self, options: &AccountOptions, now_unix_ms: i64) -> Vec<Issuer> {
        let keys = self.keys.read();
        let accepted = keys.iter().filter(|key| verifies(key, now_unix_ms));
        let issuer = |key: &SigningKey| {
            let public = IssuerKey::EdDsaPublic(key.public().to_vec());
            let key_id = Some(String::from(key.id()));
            Issuer { own: true, key_id, ..Issuer::new(&options.issuer, &options.audience, public) }
        };
        accepted.map(issuer).collect()
    }

    /// The public keys that verify now, as a JSON Web Key Set (RFC 7517 section 5).
    #[must_use]
    pub fn jwks_json(&self, now_unix_ms: i64) -> String {
        let keys = self.keys.read();
        let accepted = keys.iter().filter(|key| verifies(key, now_unix_ms));
        let set: Vec<_> = accepted
            .map(|key| {
                json!({
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": URL_SAFE_NO_PAD.encode(key.public()),
                    "kid": key.id(),
                    "alg": "EdDSA",
                    "use": "sig",
                })
            })
            .collect();
        json!({ "keys": set }).to_string()
    }

    /// Signs an access token (compact form, RFC 7515 section 7.1).
    ///
    /// # Errors
    /// [`Denial::Internal`] when the claims cannot be written as JSON.
    pub fn access_token(&self, claims: &AccessClaims<'_>) -> Result<Secret<String>, Denial> {
        let token = self.with_current(|key| access_token::sign(claims, key));
        token.ok_or(Denial::Internal("signing_key"))?
    }

    /// Calls `read` with the key that signs; there is always one.
    fn with_current<R>(&self, read: impl FnOnce(&SigningKey) -> R) -> Option<R> {
        let keys = self.keys.read();
        keys.iter().find(|key| key.until_unix_ms.is_none()).map(read)
    }

    /// Changes the file under a lock, then the keys in memory.
    fn change<R>(
        &self,
        change: impl FnOnce(&mut Vec<SigningKey>) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        let path = self.directory.join(FILE_NAME);
        let _locked = key_directory::lock(&self.directory)?;
        let mut keys = read(&self.directory)?;
        let changed = change(&mut keys)?;
        private_file::replace(&path, render(&keys)?.expose().as_bytes(), &temporary_suffix()?)?;
        *self.keys.write() = keys;
        Ok(changed)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKeys").field("keys", &self.list()).finish_non_exhaustive()
    }
}

fn facts(key: &SigningKey) -> SigningKeyFacts {
    let (created_unix_ms, until_unix_ms) = (key.created_unix_ms, key.until_unix_ms);
    SigningKeyFacts { id: String::from(key.id()), created_unix_ms, until_unix_ms }
}

/// Whether tokens of a key are still accepted.
fn verifies(key: &SigningKey, now_unix_ms: i64) -> bool {
    key.until_unix_ms.is_none_or(|until_ms| now_unix_ms < until_ms)
}

fn first_key(directory: &Path, now_unix_ms: i64) -> Result<SigningKey, KeyError> {
    let old = directory.join(OLD_FILE_NAME);
    match private_file::read(&old)? {
        Some(pkcs8) => {
            SigningKey::from_pkcs8(pkcs8.expose(), now_unix_ms).ok_or(KeyError::Content(old))
        }
        None => SigningKey::generate(now_unix_ms).ok_or(KeyError::Generate),
    }
}

fn render(keys: &[SigningKey]) -> Result<Secret<String>, KeyError> {
    let mut text = Secret::new(format!("{FORMAT}\n"));
    for key in keys {
        let line = key.line().ok_or(KeyError::Generate)?;
        text = Secret::new([text.expose().as_str(), line.expose().as_str()].concat());
    }
    Ok(text)
}

/// Reads the whole file; an invalid line is an error and never skipped.
fn read(directory: &Path) -> Result<Vec<SigningKey>, KeyError> {
    let path = directory.join(FILE_NAME);
    let content = || KeyError::Content(path.clone());
    let bytes = private_file::read(&path)?.ok_or_else(content)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| content())?;
    let mut lines = text.strip_suffix('\n').ok_or_else(content)?.split('\n');
    KeyError::check_format(FORMAT, lines.next().unwrap_or_default(), &path)?;
    let keys: Vec<SigningKey> =
        lines.map(SigningKey::read_line).collect::<Option<_>>().ok_or_else(content)?;
    let signing = keys.iter().filter(|key| key.until_unix_ms.is_none()).count();
    let doubled = keys
        .iter()
        .enumerate()
        .any(|(index, key)| keys.iter().take(index).any(|other| other.id() == key.id()));
    if signing != 1 || doubled || keys.len() > KEYS_MAX { Err(content()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn first_key_is_created_once_with_private_modes() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("deep/keys");
        assert!(SigningKeys::find(&folder).unwrap().is_none());
        let first = SigningKeys::load_or_create(&folder, 5).unwrap();
        assert!(SigningKeys::find(&folder).unwrap().is_some());
        let second = SigningKeys::load_or_create(&folder, 6).unwrap();
        assert_eq!(first.list(), second.list());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE_NAME))), (0o700, 0o600));
        assert_eq!(first.list()[0].created_unix_ms, 5);
    }

    #[test]
    fn single_key_of_older_versions_still_signs() {
        use aws_lc_rs::signature::Ed25519KeyPair;
        let directory = tempfile::tempdir().unwrap();
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let old = directory.path().join(OLD_FILE_NAME);
        private_file::create(&old, pkcs8.as_ref(), "a").unwrap();
        let expect = SigningKey::from_pkcs8(pkcs8.as_ref(), 0).unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 5).unwrap();
        assert_eq!(keys.key_id(), expect.id());
    }

    #[test]
    fn invalid_key_file_stops_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 5).unwrap();
        let path = directory.path().join(FILE_NAME);
        let good = std::fs::read_to_string(&path).unwrap();
        let line = good.lines().nth(1).unwrap();
        let wrong = [
            String::new(),
            String::from("-----BEGIN PRIVATE KEY-----\n"),
            good.replace("signing 1", "signing 0"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}{line}\n"),
            good.replace(" - ", " 9 "),
            format!("{FORMAT}\n"),
        ];
        for text in wrong {
            private_file::replace(&path, text.as_bytes(), "a").unwrap();
            let outcome = SigningKeys::load_or_create(directory.path(), 5);
            assert!(matches!(outcome, Err(KeyError::Content(_))), "{}", text.len());
            assert!(keys.reload().is_err(), "a running server keeps its keys");
            assert_eq!(keys.list().len(), 1);
        }
        let later = good.replace("signing 1", "signing 2");
        private_file::replace(&path, later.as_bytes(), "a").unwrap();
        let error = SigningKeys::load_or_create(directory.path(), 5).unwrap_err().to_string();
        let expect = "token-signing.ring has format 2, this version reads 1: install a later";
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn replaced_key_verifies_until_its_tokens_expire() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 0).unwrap();
        let other = SigningKeys::load_or_create(directory.path(), 0).unwrap();
        let first = keys.key_id();
        let second = keys.rotate(1_000).unwrap();
        assert_eq!(keys.key_id(), second);
        let ids = |at| {
            let options = AccountOptions::for_tests();
            let issuers = keys.issuers(&options, at);
            issuers.into_iter().filter_map(|issuer| issuer.key_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(1_000 + 659_999), [first.clone(), second.clone()]);
        assert_eq!(ids(1_000 + 660_000).as_slice(), std::slice::from_ref(&second));
        assert!(
            keys.jwks_json(2_000).contains(&first) && !keys.jwks_json(700_000).contains(&first)
        );
        assert!(other.reload().unwrap() && !other.reload().unwrap());
        assert_eq!(other.key_id(), second);

        assert!(matches!(keys.revoke(&second), Err(KeyError::Current(_))));
        assert!(matches!(keys.revoke("unknown"), Err(KeyError::Unknown(_))));
        keys.revoke(&first).unwrap();
        assert_eq!(ids(2_000), [second]);
        for turn in 0..20 {
            keys.rotate(3_000 + turn).unwrap();
        }
        assert_eq!(keys.list().len(), KEYS_MAX);
        assert_eq!(keys.rotate(10_000_000).map(|_| keys.list().len()).unwrap(), 2);
    }

    #[test]
    fn published_key_set_holds_public_keys_only() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 0).unwrap();
        let set: serde_json::Value = serde_json::from_str(&keys.jwks_json(0)).unwrap();
        let key = set["keys"][0].as_object().unwrap();
        let mut names: Vec<_> = key.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(key["kid"], keys.key_id());
    }
}
