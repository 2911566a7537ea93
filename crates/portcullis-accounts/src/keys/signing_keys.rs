//! The ring of keys that sign our own tokens: one signs, older ones are believed for a while.
//! Never: the private half outside this ring's file; never two keys that sign.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_guard::{Issuer, IssuerKey};
use portcullis_model::Secret;
use portcullis_seal::private_file::{self, PrivateFileError};
use portcullis_server::random_id;
use serde_json::json;

use crate::AccountOptions;
use crate::keys::signing_key::SigningKey;
use crate::tokens::access_token::ACCESS_TOKEN_LIFE_S;

/// The ring's file, in the directory of keys.
const FILE_NAME: &str = "token-signing.ring";
/// Where the one key lay before there were rings; it is taken over and left alone.
const FORMER_FILE_NAME: &str = "token-signing.ed25519.pkcs8";
/// The first line of the file.
const HEADER: &str = "portcullis-token-signing 1";
/// Most keys of a ring, those included that are not believed any more.
const KEYS_MAX: usize = 8;
/// How long the tokens of a replaced key are believed: their life, and a minute for clocks.
const OLD_KEPT_MS: i64 = (ACCESS_TOKEN_LIFE_S + 60) * 1000;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file holds something else.
    #[error("{} holds no keys: restore it, or move it away for new ones", .0.display())]
    Content(PathBuf),
    /// The machine gives no randomness, or the library cannot make a key.
    #[error("cannot make a key: no randomness")]
    Generate,
    /// Another process changes the ring at this moment.
    #[error("the keys in {} are being changed by another process: try again", .0.display())]
    Busy(PathBuf),
    /// No key of the ring has this name.
    #[error("no key has the id {0:?}: list them with keys list")]
    Unknown(String),
    /// The key that signs cannot be taken away without another.
    #[error("{0:?} is the key that signs: rotate first, then revoke it")]
    Current(String),
    /// The secret that sessions rest on cannot be taken away without another.
    #[error("{0:?} is the secret in use: run keys rotate session first, then revoke it")]
    InUse(String),
}

/// What there is to know of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyFacts {
    /// Its name (`kid`).
    pub id: String,
    /// When it was made.
    pub created_unix_ms: i64,
    /// Until when its tokens are believed; `None` for the key that signs.
    pub until_unix_ms: Option<i64>,
}

/// The keys our own tokens are signed with; every clone sees every change.
#[derive(Clone)]
pub struct SigningKeys {
    directory: PathBuf,
    keys: Arc<RwLock<Vec<SigningKey>>>,
}

impl SigningKeys {
    /// Reads the ring from a directory; makes the directory and a first key when there is none.
    ///
    /// The file has mode 0600 and appears whole: two starts at once end with the same key.
    ///
    /// # Errors
    /// [`KeyError`] when the file can be read by others, is no ring, or cannot be made.
    pub fn load_or_create(directory: &Path, now_unix_ms: i64) -> Result<Self, KeyError> {
        private_file::create_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if private_file::read(&path)?.is_none() {
            let first = first_key(directory, now_unix_ms)?;
            private_file::create(&path, render(&[first])?.expose().as_bytes(), &suffix()?)?;
        }
        let keys = Arc::new(RwLock::new(read(directory)?));
        Ok(Self { directory: directory.to_path_buf(), keys })
    }

    /// Reads the ring from a directory, for whoever looks at it beside a server.
    ///
    /// # Errors
    /// [`KeyError`] when there is none, it can be read by others, or it is no ring.
    pub fn read(directory: &Path) -> Result<Self, KeyError> {
        let keys = Arc::new(RwLock::new(read(directory)?));
        Ok(Self { directory: directory.to_path_buf(), keys })
    }

    /// Takes in what another process has written; gives whether anything is different.
    ///
    /// # Errors
    /// [`KeyError`] when the file is not as it should be; the keys stay as they were.
    pub fn reload(&self) -> Result<bool, KeyError> {
        let fresh = read(&self.directory)?;
        let mut keys = self.keys.write();
        let known = |keys: &[SigningKey]| keys.iter().map(facts).collect::<Vec<_>>();
        let changed = known(&keys) != known(&fresh);
        *keys = fresh;
        Ok(changed)
    }

    /// Makes a new key that signs from now on; tokens of the old one are believed to their end.
    ///
    /// # Errors
    /// [`KeyError`] when the ring is busy or cannot be written; nothing has changed then.
    pub fn rotate(&self, now_unix_ms: i64) -> Result<String, KeyError> {
        self.change(|keys| {
            let believed = |key: &SigningKey| key.until_unix_ms.is_none_or(|ms| ms > now_unix_ms);
            keys.retain(believed);
            for key in keys.iter_mut().filter(|key| key.until_unix_ms.is_none()) {
                key.until_unix_ms = Some(now_unix_ms.saturating_add(OLD_KEPT_MS));
            }
            // More than one rotation a minute: the oldest goes before its time.
            let spare = keys.len().saturating_sub(KEYS_MAX - 1);
            keys.drain(..spare);
            let fresh = SigningKey::generate(now_unix_ms).ok_or(KeyError::Generate)?;
            let id = String::from(fresh.id());
            keys.push(fresh);
            Ok(id)
        })
    }

    /// Takes a key away at once: its tokens, and connections opened with them, are worth nothing.
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

    /// All keys, the one that signs last.
    #[must_use]
    pub fn list(&self) -> Vec<SigningKeyFacts> {
        self.keys.read().iter().map(facts).collect()
    }

    /// The name (`kid`) of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.with_current(|key| String::from(key.id())).unwrap_or_default()
    }

    /// How the gate recognises tokens of this ring, as of now: one entry a key.
    #[must_use]
    pub fn issuers(&self, options: &AccountOptions, now_unix_ms: i64) -> Vec<Issuer> {
        let keys = self.keys.read();
        let believed = keys.iter().filter(|key| is_believed(key, now_unix_ms));
        let issuer = |key: &SigningKey| {
            let public = IssuerKey::EdDsaPublic(key.public().to_vec());
            let key_id = Some(String::from(key.id()));
            Issuer { own: true, key_id, ..Issuer::new(&options.issuer, &options.audience, public) }
        };
        believed.map(issuer).collect()
    }

    /// The public halves that are believed now, as a JSON Web Key Set (RFC 7517 section 5).
    #[must_use]
    pub fn jwks_json(&self, now_unix_ms: i64) -> String {
        let keys = self.keys.read();
        let believed = keys.iter().filter(|key| is_believed(key, now_unix_ms));
        let set: Vec<_> = believed
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

    /// Does something with the key that signs; there always is one.
    pub(crate) fn with_current<R>(&self, act: impl FnOnce(&SigningKey) -> R) -> Option<R> {
        let keys = self.keys.read();
        keys.iter().find(|key| key.until_unix_ms.is_none()).map(act)
    }

    /// Changes the file under a lock, then what is in memory.
    fn change<R>(
        &self,
        act: impl FnOnce(&mut Vec<SigningKey>) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        let path = self.directory.join(FILE_NAME);
        let _locked = lock(&self.directory)?;
        let mut keys = read(&self.directory)?;
        let done = act(&mut keys)?;
        private_file::replace(&path, render(&keys)?.expose().as_bytes(), &suffix()?)?;
        *self.keys.write() = keys;
        Ok(done)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKeys").field("keys", &self.list()).finish_non_exhaustive()
    }
}

/// Locks the directory of keys against other processes that change keys.
///
/// The lock ends with the open directory, at the latest with this process.
pub(crate) fn lock(path: &Path) -> Result<File, KeyError> {
    let at = |source| PrivateFileError::File { path: path.to_path_buf(), source };
    let directory = File::open(path).map_err(at)?;
    match directory.try_lock() {
        Ok(()) => Ok(directory),
        Err(TryLockError::WouldBlock) => Err(KeyError::Busy(path.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(at(source).into()),
    }
}

fn facts(key: &SigningKey) -> SigningKeyFacts {
    let (created_unix_ms, until_unix_ms) = (key.created_unix_ms, key.until_unix_ms);
    SigningKeyFacts { id: String::from(key.id()), created_unix_ms, until_unix_ms }
}

fn is_believed(key: &SigningKey, now_unix_ms: i64) -> bool {
    key.until_unix_ms.is_none_or(|until_ms| now_unix_ms < until_ms)
}

fn first_key(directory: &Path, now_unix_ms: i64) -> Result<SigningKey, KeyError> {
    let former = directory.join(FORMER_FILE_NAME);
    match private_file::read(&former)? {
        Some(pkcs8) => {
            SigningKey::from_pkcs8(pkcs8.expose(), now_unix_ms).ok_or(KeyError::Content(former))
        }
        None => SigningKey::generate(now_unix_ms).ok_or(KeyError::Generate),
    }
}

pub(crate) fn suffix() -> Result<String, KeyError> {
    random_id::<8>().map_err(|_| KeyError::Generate)
}

fn render(keys: &[SigningKey]) -> Result<Secret<String>, KeyError> {
    let mut text = Secret::new(format!("{HEADER}\n"));
    for key in keys {
        let line = key.line().ok_or(KeyError::Generate)?;
        text = Secret::new([text.expose().as_str(), line.expose().as_str()].concat());
    }
    Ok(text)
}

/// Reads the whole ring; a line that cannot be read is not skipped.
fn read(directory: &Path) -> Result<Vec<SigningKey>, KeyError> {
    let path = directory.join(FILE_NAME);
    let content = || KeyError::Content(path.clone());
    let bytes = private_file::read(&path)?.ok_or_else(content)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| content())?;
    let mut lines = text.strip_suffix('\n').ok_or_else(content)?.split('\n');
    if lines.next() != Some(HEADER) {
        return Err(content());
    }
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
    fn the_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("deep/keys");
        let first = SigningKeys::load_or_create(&folder, 5).unwrap();
        let second = SigningKeys::load_or_create(&folder, 6).unwrap();
        assert_eq!(first.list(), second.list());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE_NAME))), (0o700, 0o600));
        assert_eq!(first.list()[0].created_unix_ms, 5);
    }

    #[test]
    fn the_one_key_of_former_versions_signs_on() {
        use aws_lc_rs::signature::Ed25519KeyPair;
        let directory = tempfile::tempdir().unwrap();
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let former = directory.path().join(FORMER_FILE_NAME);
        private_file::create(&former, pkcs8.as_ref(), "a").unwrap();
        let expect = SigningKey::from_pkcs8(pkcs8.as_ref(), 0).unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 5).unwrap();
        assert_eq!(keys.key_id(), expect.id());
    }

    #[test]
    fn a_file_that_is_no_ring_stops_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 5).unwrap();
        let path = directory.path().join(FILE_NAME);
        let good = std::fs::read_to_string(&path).unwrap();
        let line = good.lines().nth(1).unwrap();
        let wrong = [
            String::new(),
            String::from("-----BEGIN PRIVATE KEY-----\n"),
            good.replace("signing 1", "signing 2"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}{line}\n"),
            good.replace(" - ", " 9 "),
            format!("{HEADER}\n"),
        ];
        for text in wrong {
            private_file::replace(&path, text.as_bytes(), "a").unwrap();
            let outcome = SigningKeys::load_or_create(directory.path(), 5);
            assert!(matches!(outcome, Err(KeyError::Content(_))), "{}", text.len());
            assert!(keys.reload().is_err(), "and a running server keeps what it has");
            assert_eq!(keys.list().len(), 1);
        }
    }

    #[test]
    fn a_rotated_key_is_believed_until_its_tokens_have_ended() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 0).unwrap();
        let other = SigningKeys::load_or_create(directory.path(), 0).unwrap();
        let first = keys.key_id();
        let second = keys.rotate(1_000).unwrap();
        assert_eq!(keys.key_id(), second);
        let ids = |at| {
            let options = crate::AccountOptions::for_tests();
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
        assert!(matches!(keys.revoke("nobody"), Err(KeyError::Unknown(_))));
        keys.revoke(&first).unwrap();
        assert_eq!(ids(2_000), [second]);
        for turn in 0..20 {
            keys.rotate(3_000 + turn).unwrap();
        }
        assert_eq!(keys.list().len(), KEYS_MAX);
        assert_eq!(keys.rotate(10_000_000).map(|_| keys.list().len()).unwrap(), 2);
    }

    #[test]
    fn the_published_set_has_the_public_half_only() {
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
