//! The keyring of a server: seals with the current key, opens with any key.
//! Never: a decision about access.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::{Mutex, RwLock};
use portcullis_model::{Clock, Now, Secret, SystemClock};

use crate::associated_data::Place;
use crate::cipher::NONCE_BYTES;
use crate::envelope::Envelope;
use crate::key_id::KeyId;
use crate::keyring_error::KeyringError;
use crate::keyring_file::KeyringFile;
use crate::keys::{KeyFacts, Keys};
use crate::sealed::{self, OpenError, SealError};

/// The keys that seal and open fields. Cheap to clone; all clones share the keys.
///
/// [`seal`](Self::seal) and [`open`](Self::open) never wait. Methods that read or change the
/// file wait
/// for the disk: call them on a thread that may block.
#[derive(Clone)]
pub struct Keyring {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked from the file to memory, so that an older reading never replaces a newer one.
    file: Mutex<KeyringFile>,
    keys: RwLock<Arc<Keys>>,
    /// The keyring's own clock: its users have clocks that started at different times.
    clock: SystemClock,
    /// When a value under an unknown key may make the keyring read its file again, on that clock.
    next_reload_ms: AtomicU64,
}

/// Time between two readings of the file that values under unknown keys cause.
const RELOAD_EVERY_MS: u64 = 1_000;

impl Keyring {
    /// Reads the keyring from a directory; creates the directory and a keyring of one key if
    /// there is none.
    ///
    /// The file `field-keys.ring` has mode 0600 and is created atomically. If sealed fields exist
    /// already, use [`read`](Self::read): a lost keyring is then an error, not a new keyring.
    ///
    /// # Errors
    /// [`KeyringError`] if other users can read it, it is not a keyring, or it cannot be created.
    pub fn load_or_create(directory: &Path, now_unix_ms: i64) -> Result<Self, KeyringError> {
        let file = KeyringFile::within(directory);
        let keys = file.read_or_create(now_unix_ms)?;
        Ok(Self::new(file, keys))
    }

    /// Reads the keyring from a directory.
    ///
    /// # Errors
    /// [`KeyringError`] if it is missing, other users can read it, or it is not a keyring.
    pub fn read(directory: &Path) -> Result<Self, KeyringError> {
        let file = KeyringFile::within(directory);
        let keys = file.read()?;
        Ok(Self::new(file, keys))
    }

    /// As [`read`](Self::read); `None` if it is missing, and nothing was ever sealed.
    ///
    /// # Errors
    /// [`KeyringError`] if other users can read it, or it is not a keyring.
    pub fn find(directory: &Path) -> Result<Option<Self>, KeyringError> {
        match Self::read(directory) {
            Ok(ring) => Ok(Some(ring)),
            Err(KeyringError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn new(file: KeyringFile, keys: Keys) -> Self {
        let shared = Shared {
            file: Mutex::new(file),
            keys: RwLock::new(Arc::new(keys)),
            clock: SystemClock::start(),
            next_reload_ms: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads the file again, because another process may have changed it.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the file has none of the keys in force, because it then is
    /// the keyring of another server; the keys in force stay.
    pub fn reload(&self) -> Result<(), KeyringError> {
        self.take(|file| {
            let keys = file.read()?;
            let is_shared = |key: KeyFacts| self.has_key(key.id);
            if keys.facts().into_iter().any(is_shared) { Ok(keys) } else { Err(file.foreign()) }
        })
    }

    /// Takes the keys of another keyring; the file this one belongs to stays the same.
    pub fn replace(&self, other: &Self) {
        let keys = other.keys();
        *self.shared.keys.write() = keys;
    }

    /// Makes a new key the current one, on disk first; the other keys stay, to open older values.
    ///
    /// # Errors
    /// [`KeyringError`] when the keyring is full, busy, or cannot be read or written; nothing
    /// changes.
    pub fn rotate(&self, now_unix_ms: i64) -> Result<KeyId, KeyringError> {
        self.take(|file| file.rotate(now_unix_ms))?;
        Ok(self.current_id())
    }

    /// Removes an old key permanently: values that are still sealed under it are lost.
    ///
    /// First reseal every value that is not [`current`](Self::is_current), and let every server
    /// [`reload`](Self::reload): a server that has not read the rotation still seals with this key.
    ///
    /// # Errors
    /// [`KeyringError`] when it is the current key or unknown, and as [`rotate`](Self::rotate).
    pub fn retire(&self, id: KeyId) -> Result<(), KeyringError> {
        self.take(|file| file.retire(id))
    }

    fn take(
        &self,
        operation: impl FnOnce(&KeyringFile) -> Result<Keys, KeyringError>,
    ) -> Result<(), KeyringError> {
        let file = self.shared.file.lock();
        let keys = operation(&file)?;
        *self.shared.keys.write() = Arc::new(keys);
        Ok(())
    }

    /// All keys, in the order of their creation, the current one last.
    #[must_use]
    pub fn list(&self) -> Vec<KeyFacts> {
        self.keys().facts()
    }

    /// The key that seals new values.
    #[must_use]
    pub fn current_id(&self) -> KeyId {
        self.keys().current().id()
    }

    /// Seals a value for its place: [`OVERHEAD_BYTES`](crate::OVERHEAD_BYTES) longer than it was.
    ///
    /// AES-256-GCM under a key derived for this place, with a random nonce. The result reveals the
    /// key's id and the value's length; pad a value whose length is a secret.
    ///
    /// # Errors
    /// [`SealError`] if the value or place is too long, or the system fails.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        sealed::seal(self.keys().current(), place, &nonce, plain)
    }

    /// Opens a value at its place.
    ///
    /// # Errors
    /// [`OpenError`], without a reason, for anything this keyring has not sealed for this place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        sealed::open(&self.keys(), place, sealed)
    }

    /// Opens a value at its place. A value that names an unknown key makes the keyring read its
    /// file
    /// again first, because another process may have rotated the keys; at most once a second, as
    /// anyone can write a value that names an unknown key.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_reload(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Secret<Vec<u8>>, OpenError> {
        self.open_or_reload_at(place, sealed, self.shared.clock.now())
    }

    pub(crate) fn open_or_reload_at(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
        now: Now,
    ) -> Result<Secret<Vec<u8>>, OpenError> {
        self.open(place, sealed).or_else(|error| {
            let is_unknown = |id| !self.has_key(id);
            if !Self::key_id_of(sealed).is_some_and(is_unknown) || !self.takes_reload(now) {
                return Err(error);
            }
            self.reload().map_err(|_| error)?;
            self.open(place, sealed)
        })
    }

    fn takes_reload(&self, now: Now) -> bool {
        let next = now.monotonic_ms.saturating_add(RELOAD_EVERY_MS);
        let may = |next_ms: u64| (now.monotonic_ms >= next_ms).then_some(next);
        let cell = &self.shared.next_reload_ms;
        cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, may).is_ok()
    }

    /// Whether a value names the current key. One that does not has to be sealed again.
    ///
    /// Reads the unverified header of the value; [`open`](Self::open) checks authenticity.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        Self::key_id_of(sealed) == Some(self.current_id())
    }

    /// Whether the keyring has a key.
    #[must_use]
    pub fn has_key(&self, id: KeyId) -> bool {
        self.keys().find(id).is_some()
    }

    /// The key in a value's unverified header, for records; `None` if it is not a sealed value.
    #[must_use]
    pub fn key_id_of(sealed: &[u8]) -> Option<KeyId> {
        Envelope::parse(sealed).map(|envelope| envelope.key_id)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.shared.keys.read())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keyring").field("keys", &self.list()).finish_non_exhaustive()
    }
}
