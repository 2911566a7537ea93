//! The session secrets of the installation, which sign refresh tokens and device cookies.
//! Never: in the database; a copy of the database cannot create either.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::RwLock;
use portcullis_guard::{ADMISSION_LIFE_S, ReferenceError, ReferenceFacts, ReferenceKey};
use portcullis_model::{FileFormat, Now, Secret};
use portcullis_seal::private_file;
use portcullis_server::OperatorKeys;

use super::error::KeyError;
use super::key_directory::{self, temporary_suffix};
use super::session_key::{DEVICE_LIFE_S, SECRET_BYTES, SessionKey};

/// The file of the secrets, in the directory of keys.
const FILE_NAME: &str = "sessions.secret";
/// The first line of a file with several secrets. A file with one secret holds its 32 bytes alone.
const FORMAT: FileFormat = FileFormat::new("portcullis-session-secrets ", 1);
/// Most secrets in the file.
const KEYS_MAX: usize = 8;

/// The public facts about a session secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeyFacts {
    /// Its id.
    pub id: String,
    /// When it was created, if that is known.
    pub created_unix_ms: Option<i64>,
    /// Until when it verifies anything; `None` for the secret in use.
    pub until_unix_ms: Option<i64>,
}

/// The session secrets with their derived keys; all clones share one state.
///
/// The newest secret signs. An older secret still verifies what it has signed, until that expires.
#[derive(Clone)]
pub struct ServerSecret {
    directory: PathBuf,
    /// The last one is the newest; never empty.
    keys: Arc<RwLock<Vec<Arc<SessionKey>>>>,
    operators: OperatorKeys,
}

impl ServerSecret {
    /// Reads the secrets from a directory; creates one if there is none.
    ///
    /// A lost file signs all users out and has no other effect.
    ///
    /// # Errors
    /// [`KeyError`] when other users can read the file, it has other content, or it cannot be
    /// created.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        private_file::create_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if private_file::read(&path)?.is_none() {
            private_file::create(&path, new_secret()?.expose(), &temporary_suffix()?)?;
        }
        Self::load(directory)?.ok_or(KeyError::Content(path))
    }

    /// Reads the secrets from a directory, if there are any.
    ///
    /// # Errors
    /// [`KeyError`] when other users can read the file, or it has other content.
    pub fn load(directory: &Path) -> Result<Option<Self>, KeyError> {
        let Some(keys) = read(directory)? else { return Ok(None) };
        Ok(Some(Self::of(directory, keys)))
    }

    fn of(directory: &Path, keys: Vec<Arc<SessionKey>>) -> Self {
        let operators = OperatorKeys::default();
        let keys = Arc::new(RwLock::new(keys));
        let this = Self { directory: directory.to_path_buf(), keys, operators };
        this.operators.replace(vec![this.operator()]);
        this
    }

    #[cfg(test)]
    pub(crate) fn new(secret: &[u8; SECRET_BYTES]) -> Self {
        Self::of(Path::new("/"), vec![Arc::new(SessionKey::new(secret, 0, None))])
    }

    /// Reads the file again, which another process can have changed.
    ///
    /// # Errors
    /// [`KeyError`] when the file is invalid; the secrets in memory do not change then.
    pub fn reload(&self, now: Now) -> Result<(), KeyError> {
        let fresh = read(&self.directory)?;
        let fresh = fresh.ok_or_else(|| KeyError::Content(self.directory.join(FILE_NAME)))?;
        *self.keys.write() = fresh;
        let accepted = self.keys(0, now);
        self.operators.replace(accepted.iter().map(|key| Arc::clone(&key.operator)).collect());
        Ok(())
    }

    /// Creates a new secret that signs from now on, and returns its id. Older ones still verify.
    ///
    /// # Errors
    /// [`KeyError`] when the directory is locked or cannot be written; nothing has changed then.
    pub fn rotate(&self, now: Now) -> Result<String, KeyError> {
        self.change(|keys| {
            keys.retain(|key| key.verifies(DEVICE_LIFE_S, now));
            for key in keys.iter_mut().filter(|key| key.replaced_unix_ms.is_none()) {
                let created_unix_ms = key.created_unix_ms;
                let replaced = Some(now.unix_ms);
                *key = Arc::new(SessionKey::new(key.secret.expose(), created_unix_ms, replaced));
            }
            // After more than one rotation in about 45 days, the oldest secret is removed early.
            let spare = keys.len().saturating_sub(KEYS_MAX - 1);
            keys.drain(..spare);
            let key = SessionKey::new(new_secret()?.expose(), now.unix_ms, None);
            let id = key.id.clone();
            keys.push(Arc::new(key));
            Ok(id)
        })
    }

    /// Removes an older secret at once: everything it has signed becomes invalid.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::InUse`], or as [`ServerSecret::rotate`].
    pub fn revoke(&self, id: &str) -> Result<(), KeyError> {
        self.change(|keys| {
            let found = keys.iter().find(|key| key.id == id);
            let found = found.ok_or_else(|| KeyError::Unknown(String::from(id)))?;
            if found.replaced_unix_ms.is_none() {
                return Err(KeyError::InUse(String::from(id)));
            }
            keys.retain(|key| key.id != id);
            Ok(())
        })
    }

    /// All secrets; the last one is in use.
    #[must_use]
    pub fn list(&self) -> Vec<SessionKeyFacts> {
        let keys = self.keys.read();
        let facts = |key: &Arc<SessionKey>| SessionKeyFacts {
            id: key.id.clone(),
            created_unix_ms: Some(key.created_unix_ms).filter(|at_ms| *at_ms != 0),
            until_unix_ms: key.ends_unix_ms(DEVICE_LIFE_S),
        };
        keys.iter().map(facts).collect()
    }

    /// The keys of admission tokens ([`portcullis_guard::Admission::replace_token_keys`]), the one
    /// in use first. Admissions outlive a restart, after which all clients connect at the same
    /// time.
    #[must_use]
    pub fn admissions(&self, now: Now) -> Vec<Arc<Secret<[u8; 32]>>> {
        let keys = self.keys(ADMISSION_LIFE_S, now);
        keys.iter().map(|key| Arc::clone(&key.admission)).collect()
    }

    /// The key with which commands of the operator authenticate to the running server.
    ///
    /// A user who can read the data directory is an operator.
    #[must_use]
    pub fn operator(&self) -> Arc<Secret<String>> {
        Arc::clone(&self.current().operator)
    }

    /// The operator keys that the server accepts ([`portcullis_server::Options::operator_keys`]).
    #[must_use]
    pub fn operators(&self) -> OperatorKeys {
        self.operators.clone()
    }

    /// The key of references ([`portcullis_server::Options::reference_key`]).
    ///
    /// References can be read after a restart, and without the server.
    #[must_use]
    pub fn reference(&self) -> ReferenceKey {
        self.current().reference.clone()
    }

    /// The keys of references of replaced secrets, the newest first
    /// ([`portcullis_server::Options::former_reference_keys`]).
    #[must_use]
    pub fn former_references(&self) -> Vec<ReferenceKey> {
        let keys = self.keys.read();
        keys.iter().rev().skip(1).map(|key| key.reference.clone()).collect()
    }

    /// Reads a reference that any of the secrets has signed; the newest secret is tried first.
    ///
    /// # Errors
    /// [`ReferenceError`] says why no secret verifies it.
    pub fn explain(&self, text: &str, now: Now) -> Result<ReferenceFacts, ReferenceError> {
        let explained = |key: &Arc<SessionKey>| key.reference.explain(text, now);
        let keys = self.keys.read();
        let mut outcome = Err(ReferenceError::Foreign);
        for key in keys.iter().rev() {
            outcome = explained(key);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The secret in use.
    pub(crate) fn current(&self) -> Arc<SessionKey> {
        let keys = self.keys.read();
        let newest = keys.last().map(Arc::clone);
        newest.unwrap_or_else(|| unreachable!("there is always a key"))
    }

    /// The secrets that verify values with this life, the newest first.
    pub(crate) fn keys(&self, life_s: i64, now: Now) -> Vec<Arc<SessionKey>> {
        let keys = self.keys.read();
        keys.iter().rev().filter(|key| key.verifies(life_s, now)).map(Arc::clone).collect()
    }

    /// Changes the file under a lock, then the secrets in memory.
    fn change<R>(
        &self,
        change: impl FnOnce(&mut Vec<Arc<SessionKey>>) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        let path = self.directory.join(FILE_NAME);
        let _locked = key_directory::lock(&self.directory)?;
        let mut keys = read(&self.directory)?.ok_or_else(|| KeyError::Content(path.clone()))?;
        let changed = change(&mut keys)?;
        let mut text = Secret::new(format!("{FORMAT}\n"));
        for key in &keys {
            text = Secret::new([text.expose().as_str(), key.line().expose().as_str()].concat());
        }
        private_file::replace(&path, text.expose().as_bytes(), &temporary_suffix()?)?;
        *self.keys.write() = keys;
        Ok(changed)
    }
}

fn new_secret() -> Result<Secret<[u8; SECRET_BYTES]>, KeyError> {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Generate)?;
    Ok(Secret::new(bytes))
}

/// Reads the whole file; an invalid line is an error and never skipped.
fn read(directory: &Path) -> Result<Option<Vec<Arc<SessionKey>>>, KeyError> {
    let path = directory.join(FILE_NAME);
    let content = || KeyError::Content(path.clone());
    let Some(stored) = private_file::read(&path)? else { return Ok(None) };
    if let Ok(secret) = <&[u8; SECRET_BYTES]>::try_from(stored.expose().as_slice()) {
        return Ok(Some(vec![Arc::new(SessionKey::new(secret, 0, None))]));
    }
    let text = std::str::from_utf8(stored.expose()).map_err(|_| content())?;
    let mut lines = text.strip_suffix('\n').ok_or_else(content)?.split('\n');
    KeyError::check_format(FORMAT, lines.next().unwrap_or_default(), &path)?;
    let keys: Option<Vec<_>> =
        lines.map(|line| SessionKey::read_line(line).map(Arc::new)).collect();
    let keys = keys.ok_or_else(content)?;
    let in_use = keys.iter().filter(|key| key.replaced_unix_ms.is_none()).count();
    let newest_is_in_use = keys.last().is_some_and(|key| key.replaced_unix_ms.is_none());
    if in_use == 1 && newest_is_in_use && keys.len() <= KEYS_MAX {
        Ok(Some(keys))
    } else {
        Err(content())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::known_device::KnownDevice;
    use crate::login::login_link::LoginLink;
    use crate::options::SESSION_TIME_LONGEST_S;
    use crate::tokens::refresh_token::RefreshToken;
    use portcullis_model::SessionId;

    const DAY_S: i64 = 24 * 60 * 60;

    fn at(unix_s: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms: unix_s * 1000 }
    }

    fn token(authenticated_unix_s: Option<i64>) -> RefreshToken {
        RefreshToken { session: SessionId::parse("s1").unwrap(), number: 3, authenticated_unix_s }
    }

    #[test]
    fn replaced_secret_verifies_what_it_signed_until_that_expires() {
        let directory = tempfile::tempdir().unwrap();
        let running = ServerSecret::load_or_create(directory.path()).unwrap();
        let made = [token(None), token(Some(9))].map(|token| (token.encode(&running), token));
        let device = KnownDevice::new(&running, "ann", at(10)).unwrap();
        let link = LoginLink::for_user(&running, "ann", at(10)).unwrap();
        let (admission, operator) = (running.admissions(at(10)), running.operator());
        let reference_mark = running.reference().mark("session id", b"id");
        let rejection = portcullis_model::Denial::Busy.answer();
        let reference = running.reference().reference(&rejection, at(10), 0, 1).unwrap();

        // Another process rotates, as the command does.
        let beside = ServerSecret::load(directory.path()).unwrap().unwrap();
        let id = beside.rotate(at(20)).unwrap();
        running.reload(at(21)).unwrap();
        assert_eq!(running.list().last().map(|key| key.id.clone()), Some(id));
        assert_eq!(running.list(), beside.list());
        for (text, token) in &made {
            let read = |unix_s| RefreshToken::read(text.expose(), &running, at(unix_s));
            assert_eq!(read(20 + SESSION_TIME_LONGEST_S), Some(token.clone()));
            assert_eq!(
                read(20 + SESSION_TIME_LONGEST_S + DAY_S),
                None,
                "refresh tokens expire before"
            );
            let again = token.encode(&running);
            assert_ne!(again.expose(), text.expose());
            let read = RefreshToken::read(again.expose(), &running, at(30));
            assert_eq!(read.as_ref(), Some(token));
        }
        let known = KnownDevice::read(device.cookie(), &running, "ann", at(300 * DAY_S));
        assert_eq!(known, Some(device));
        assert!(LoginLink::read(link.expose(), &running, "ann", at(30)).is_ok());
        assert_eq!(running.admissions(at(30)).len(), 2);
        assert_eq!(running.admissions(at(30))[1].expose(), admission[0].expose());
        assert_eq!(running.admissions(at(20 + 2 * DAY_S)).len(), 1);
        let shown = |key: &Secret<String>| running.operators().knows(key.expose().as_bytes());
        assert!(shown(&operator) && shown(&beside.operator()));
        running.reload(at(200)).unwrap();
        assert!(!shown(&operator) && shown(&running.operator()), "all programs use the new key");
        assert!(running.explain(&reference.to_string(), at(30)).is_ok());
        let id_mark = |key: &ReferenceKey| key.mark("session id", b"id");
        let former: Vec<_> = running.former_references().iter().map(id_mark).collect();
        assert_eq!(former, [reference_mark]);
        assert_ne!(id_mark(&running.reference()), reference_mark);
    }

    #[test]
    fn revoked_secret_verifies_nothing_and_the_secret_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let secret = ServerSecret::load_or_create(directory.path()).unwrap();
        let text = token(Some(9)).encode(&secret);
        let read = || RefreshToken::read(text.expose(), &secret, at(21));
        let former = secret.list()[0].id.clone();
        assert!(matches!(secret.revoke(&former), Err(KeyError::InUse(_))));
        let id = secret.rotate(at(20)).unwrap();
        assert!(matches!(secret.revoke("none"), Err(KeyError::Unknown(_))));
        assert!(read().is_some());
        secret.revoke(&former).unwrap();
        assert_eq!(read(), None);
        let read = ServerSecret::load(directory.path()).unwrap().unwrap();
        assert_eq!(read.list().iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [id]);
    }

    #[test]
    fn secret_file_is_bounded_and_invalid_content_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let secret = ServerSecret::load_or_create(directory.path()).unwrap();
        for second in 0..20 {
            secret.rotate(at(second)).unwrap();
        }
        assert_eq!(secret.list().len(), KEYS_MAX);
        secret.rotate(at(500 * DAY_S)).unwrap();
        assert_eq!(secret.list().len(), 2, "the older secrets have expired");
        let path = directory.path().join(FILE_NAME);
        let whole = private_file::read(&path).unwrap().unwrap();
        let cut = &whole.expose()[..whole.expose().len() - 2];
        for wrong in [cut, b"".as_slice(), b"portcullis-session-secrets 1\n", &[7; 31]] {
            private_file::replace(&path, wrong, "x").unwrap();
            assert!(matches!(ServerSecret::load(directory.path()), Err(KeyError::Content(_))));
            assert!(secret.reload(at(0)).is_err());
            assert_eq!(secret.list().len(), 2, "the secrets in memory stay");
        }
        private_file::replace(&path, b"portcullis-session-secrets 2\nx\n", "x").unwrap();
        let error = ServerSecret::load(directory.path()).err().unwrap().to_string();
        let expect = "sessions.secret has format 2, this version reads 1: install a later version";
        assert!(error.contains(expect), "{error}");
    }
}
