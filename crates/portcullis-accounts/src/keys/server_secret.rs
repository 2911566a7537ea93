//! The secrets of this installation from which refresh tokens and device cookies are made.
//! Never: in the database; whoever reads that alone can make neither.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::RwLock;
use portcullis_guard::{ADMISSION_LIFE_S, ReferenceError, ReferenceFacts, ReferenceKey};
use portcullis_model::{Now, Secret};
use portcullis_seal::private_file;
use portcullis_server::OperatorKeys;

use crate::keys::session_key::{SECRET_BYTES, SessionKey};
use crate::keys::signing_keys::{self, KeyError};
use crate::login::known_device::DEVICE_LIFE_S;

/// The file of the secrets, in the directory of keys.
const FILE_NAME: &str = "sessions.secret";
/// The first line of the file once it holds more than one secret; the first one stands alone, as
/// its 32 bytes.
const HEADER: &str = "portcullis-session-secrets 1";
/// Most secrets of the file.
const KEYS_MAX: usize = 8;

/// What there is to know of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeyFacts {
    /// Its id.
    pub id: String,
    /// When it was made, where that is known.
    pub created_unix_ms: Option<i64>,
    /// Until when it verifies anything; `None` for the one in use.
    pub until_unix_ms: Option<i64>,
}

/// Keys derived from the installation's secrets, one for each purpose; every clone sees every
/// change.
///
/// The newest secret makes what the server gives out. An older one verifies what it has made, for
/// as long as that lives.
#[derive(Clone)]
pub struct ServerSecret {
    directory: PathBuf,
    /// The newest last; never empty.
    keys: Arc<RwLock<Vec<Arc<SessionKey>>>>,
    operators: OperatorKeys,
}

impl ServerSecret {
    /// Reads the secrets from a directory; makes one when there is none.
    ///
    /// Losing them logs everybody out and does nothing else.
    ///
    /// # Errors
    /// [`KeyError`] when the file can be read by others, holds something else, or cannot be made.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        private_file::create_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if private_file::read(&path)?.is_none() {
            private_file::create(&path, fresh()?.expose(), &signing_keys::suffix()?)?;
        }
        Self::load(directory)?.ok_or(KeyError::Content(path))
    }

    /// Reads the secrets from a directory, if there are any.
    ///
    /// # Errors
    /// [`KeyError`] when the file can be read by others, or holds something else.
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

    /// Takes in what another process has written.
    ///
    /// # Errors
    /// [`KeyError`] when the file is not as it should be; the secrets stay as they were.
    pub fn reload(&self, now: Now) -> Result<(), KeyError> {
        let fresh = read(&self.directory)?;
        let fresh = fresh.ok_or_else(|| KeyError::Content(self.directory.join(FILE_NAME)))?;
        *self.keys.write() = fresh;
        let accepted = self.keys(0, now);
        self.operators.replace(accepted.iter().map(|key| Arc::clone(&key.operator)).collect());
        Ok(())
    }

    /// Makes a new secret the one in use; gives its id. What older ones have made stays valid.
    ///
    /// # Errors
    /// [`KeyError`] when the directory is busy or cannot be written; nothing has changed then.
    pub fn rotate(&self, now: Now) -> Result<String, KeyError> {
        self.change(|keys| {
            keys.retain(|key| key.verifies(DEVICE_LIFE_S, now));
            for key in keys.iter_mut().filter(|key| key.replaced_unix_ms.is_none()) {
                let made_unix_ms = key.created_unix_ms;
                let replaced = Some(now.unix_ms);
                *key = Arc::new(SessionKey::new(key.secret.expose(), made_unix_ms, replaced));
            }
            // More than one rotation in 45 days or so: the oldest goes before its time.
            let spare = keys.len().saturating_sub(KEYS_MAX - 1);
            keys.drain(..spare);
            let key = SessionKey::new(fresh()?.expose(), now.unix_ms, None);
            let id = key.id.clone();
            keys.push(Arc::new(key));
            Ok(id)
        })
    }

    /// Takes an older secret away at once: what it has made is worth nothing.
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

    /// All secrets, the one in use last.
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

    /// The keys of admissions ([`portcullis_guard::Admission::replace_token_keys`]), the one in use
    /// first: so admissions outlive a restart, when everybody comes back at once.
    #[must_use]
    pub fn admissions(&self, now: Now) -> Vec<Arc<Secret<[u8; 32]>>> {
        let keys = self.keys(ADMISSION_LIFE_S, now);
        keys.iter().map(|key| Arc::clone(&key.admission)).collect()
    }

    /// What an operator's program shows to the running server: who reads the data directory may
    /// operate it.
    #[must_use]
    pub fn operator(&self) -> Arc<Secret<String>> {
        Arc::clone(&self.current().operator)
    }

    /// What the running server takes of operators ([`portcullis_server::Options::operator_keys`]).
    #[must_use]
    pub fn operators(&self) -> OperatorKeys {
        self.operators.clone()
    }

    /// The key of references ([`portcullis_server::Options::reference_key`]): so they can be read
    /// after a restart, and without the server.
    #[must_use]
    pub fn reference(&self) -> ReferenceKey {
        self.current().reference.clone()
    }

    /// Reads a reference that any of the secrets has made, the newest first.
    ///
    /// # Errors
    /// [`ReferenceError`] says why none of them has.
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

    /// The key that makes what the server gives out.
    pub(crate) fn current(&self) -> Arc<SessionKey> {
        let keys = self.keys.read();
        let newest = keys.last().map(Arc::clone);
        newest.unwrap_or_else(|| unreachable!("there is always a key"))
    }

    /// The keys that verify what lives for so long, the newest first.
    pub(crate) fn keys(&self, life_s: i64, now: Now) -> Vec<Arc<SessionKey>> {
        let keys = self.keys.read();
        keys.iter().rev().filter(|key| key.verifies(life_s, now)).map(Arc::clone).collect()
    }

    /// Changes the file under a lock, then what is in memory.
    fn change<R>(
        &self,
        act: impl FnOnce(&mut Vec<Arc<SessionKey>>) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        let path = self.directory.join(FILE_NAME);
        let _locked = signing_keys::lock(&self.directory)?;
        let mut keys = read(&self.directory)?.ok_or_else(|| KeyError::Content(path.clone()))?;
        let done = act(&mut keys)?;
        let mut text = Secret::new(format!("{HEADER}\n"));
        for key in &keys {
            text = Secret::new([text.expose().as_str(), key.line().expose().as_str()].concat());
        }
        private_file::replace(&path, text.expose().as_bytes(), &signing_keys::suffix()?)?;
        *self.keys.write() = keys;
        Ok(done)
    }
}

fn fresh() -> Result<Secret<[u8; SECRET_BYTES]>, KeyError> {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Generate)?;
    Ok(Secret::new(bytes))
}

/// Reads the whole file; a line that cannot be read is not skipped.
fn read(directory: &Path) -> Result<Option<Vec<Arc<SessionKey>>>, KeyError> {
    let path = directory.join(FILE_NAME);
    let content = || KeyError::Content(path.clone());
    let Some(stored) = private_file::read(&path)? else { return Ok(None) };
    if let Ok(secret) = <&[u8; SECRET_BYTES]>::try_from(stored.expose().as_slice()) {
        return Ok(Some(vec![Arc::new(SessionKey::new(secret, 0, None))]));
    }
    let text = std::str::from_utf8(stored.expose()).map_err(|_| content())?;
    let mut lines = text.strip_suffix('\n').ok_or_else(content)?.split('\n');
    if lines.next() != Some(HEADER) {
        return Err(content());
    }
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
    use crate::tokens::refresh_token::Turn;
    use portcullis_model::SessionId;

    const DAY_S: i64 = 24 * 60 * 60;

    fn at(unix_s: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms: unix_s * 1000 }
    }

    fn turn(authenticated_unix_s: Option<i64>) -> Turn {
        Turn { session: SessionId::parse("s1").unwrap(), number: 3, authenticated_unix_s }
    }

    #[test]
    fn rotation_keeps_what_the_former_secret_made_for_as_long_as_it_lives() {
        let directory = tempfile::tempdir().unwrap();
        let running = ServerSecret::load_or_create(directory.path()).unwrap();
        let made = [turn(None), turn(Some(9))].map(|turn| (running.refresh_token(&turn), turn));
        let device = running.new_device("ann", at(10)).unwrap();
        let link = running.new_login_link("ann", at(10)).unwrap();
        let (admission, operator) = (running.admissions(at(10)), running.operator());
        let rejection = portcullis_model::Denial::Busy.answer();
        let reference = running.reference().reference(&rejection, at(10), 0, 1).unwrap();

        // By another process, as the command does.
        let beside = ServerSecret::load(directory.path()).unwrap().unwrap();
        let id = beside.rotate(at(20)).unwrap();
        running.reload(at(21)).unwrap();
        assert_eq!(running.list().last().map(|key| key.id.clone()), Some(id));
        assert_eq!(running.list(), beside.list());
        for (token, turn) in &made {
            let read = |unix_s| running.read_refresh_token(token.expose(), at(unix_s));
            assert_eq!(read(20 + 30 * DAY_S), Some(turn.clone()));
            assert_eq!(read(20 + 31 * DAY_S), None, "no such token lives for so long");
            let again = running.refresh_token(turn);
            assert_ne!(again.expose(), token.expose());
            assert_eq!(running.read_refresh_token(again.expose(), at(30)), Some(turn.clone()));
        }
        assert_eq!(running.known_device(device.cookie(), "ann", at(300 * DAY_S)), Some(device));
        assert!(running.read_login_link(link.expose(), "ann", at(30)).is_ok());
        assert_eq!(running.admissions(at(30)).len(), 2);
        assert_eq!(running.admissions(at(30))[1].expose(), admission[0].expose());
        assert_eq!(running.admissions(at(20 + 2 * DAY_S)).len(), 1);
        let shown = |key: &Secret<String>| running.operators().knows(key.expose().as_bytes());
        assert!(shown(&operator) && shown(&beside.operator()));
        running.reload(at(200)).unwrap();
        assert!(!shown(&operator) && shown(&running.operator()), "every program has the new one");
        assert!(running.explain(&reference.to_string(), at(30)).is_ok());
    }

    #[test]
    fn revoked_secret_verifies_nothing_and_the_one_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let secret = ServerSecret::load_or_create(directory.path()).unwrap();
        let token = secret.refresh_token(&turn(Some(9)));
        let former = secret.list()[0].id.clone();
        assert!(matches!(secret.revoke(&former), Err(KeyError::InUse(_))));
        let id = secret.rotate(at(20)).unwrap();
        assert!(matches!(secret.revoke("none"), Err(KeyError::Unknown(_))));
        assert!(secret.read_refresh_token(token.expose(), at(21)).is_some());
        secret.revoke(&former).unwrap();
        assert_eq!(secret.read_refresh_token(token.expose(), at(21)), None);
        let read = ServerSecret::load(directory.path()).unwrap().unwrap();
        assert_eq!(read.list().iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [id]);
    }

    #[test]
    fn file_holds_a_bounded_number_of_secrets_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let secret = ServerSecret::load_or_create(directory.path()).unwrap();
        for second in 0..20 {
            secret.rotate(at(second)).unwrap();
        }
        assert_eq!(secret.list().len(), KEYS_MAX);
        secret.rotate(at(500 * DAY_S)).unwrap();
        assert_eq!(secret.list().len(), 2, "the older ones verify nothing any more");
        let path = directory.path().join(FILE_NAME);
        let whole = private_file::read(&path).unwrap().unwrap();
        let cut = &whole.expose()[..whole.expose().len() - 2];
        for wrong in [cut, b"".as_slice(), b"portcullis-session-secrets 1\n", &[7; 31]] {
            private_file::replace(&path, wrong, "x").unwrap();
            assert!(matches!(ServerSecret::load(directory.path()), Err(KeyError::Content(_))));
            assert!(secret.reload(at(0)).is_err());
            assert_eq!(secret.list().len(), 2, "what is in force stays");
        }
    }
}
