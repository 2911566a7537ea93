//! The ring of keys a server holds: seals with the current key, opens with any.
//! Never: a decision about who may read.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::{Mutex, RwLock};
use portcullis_model::{Clock, Now, Secret, SystemClock};

use crate::cipher::NONCE_BYTES;
use crate::envelope::Envelope;
use crate::key_id::KeyId;
use crate::keys::{KeyFacts, Keys};
use crate::place::Place;
use crate::ring_error::RingError;
use crate::ring_file::RingFile;
use crate::sealed::{self, OpenError, SealError};

/// The keys that seal and open fields. Cheap to clone; every clone sees every change.
///
/// [`seal`](Self::seal) and [`open`](Self::open) never wait. What reads or changes the file waits
/// for the disk: call it on a thread that may.
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked from the file to memory, so that an older reading never replaces a newer one.
    file: Mutex<RingFile>,
    keys: RwLock<Arc<Keys>>,
    /// The ring's own clock: its users have clocks that started at different times.
    clock: SystemClock,
    /// When a value under an unknown key may make the ring read its file again, on that clock.
    next_reload_ms: AtomicU64,
}

/// Between two readings of the file that values under unknown keys cause.
const RELOAD_EVERY_MS: u64 = 1_000;

impl KeyRing {
    /// Reads the ring from a directory; makes the directory and a ring of one key if there is none.
    ///
    /// The file `field-keys.ring` has mode 0600 and appears whole. Where sealed fields exist
    /// already, use [`read`](Self::read): a lost ring is then an error, not a new ring.
    ///
    /// # Errors
    /// [`RingError`] when the file can be read by others, is no ring, or cannot be made.
    pub fn load_or_create(directory: &Path, now_unix_ms: i64) -> Result<Self, RingError> {
        let file = RingFile::within(directory);
        let keys = file.read_or_create(now_unix_ms)?;
        Ok(Self::new(file, keys))
    }

    /// Reads the ring from a directory.
    ///
    /// # Errors
    /// [`RingError`] when there is none, it can be read by others, or it is no ring.
    pub fn read(directory: &Path) -> Result<Self, RingError> {
        let file = RingFile::within(directory);
        let keys = file.read()?;
        Ok(Self::new(file, keys))
    }

    /// As [`read`](Self::read); `None` when there is none, and nothing was ever sealed.
    ///
    /// # Errors
    /// [`RingError`] when it can be read by others, or is no ring.
    pub fn find(directory: &Path) -> Result<Option<Self>, RingError> {
        match Self::read(directory) {
            Ok(ring) => Ok(Some(ring)),
            Err(RingError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn new(file: RingFile, keys: Keys) -> Self {
        let shared = Shared {
            file: Mutex::new(file),
            keys: RwLock::new(Arc::new(keys)),
            clock: SystemClock::start(),
            next_reload_ms: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes the file as it is now, as another process may have changed it.
    ///
    /// # Errors
    /// As [`read`](Self::read); the keys in force stay.
    pub fn reload(&self) -> Result<(), RingError> {
        self.take(RingFile::read)
    }

    /// Takes the keys of another ring; the file this one belongs to stays the same.
    pub fn replace(&self, other: &Self) {
        let keys = other.keys();
        *self.shared.keys.write() = keys;
    }

    /// Makes a new key the current one, on disk first; the others stay, to open what is older.
    ///
    /// # Errors
    /// [`RingError`] when the ring is full, busy, or cannot be read or written; nothing changes.
    pub fn rotate(&self, now_unix_ms: i64) -> Result<KeyId, RingError> {
        self.take(|file| file.rotate(now_unix_ms))?;
        Ok(self.current_id())
    }

    /// Removes an old key for good: what is still sealed under it is lost.
    ///
    /// First seal anew whatever is not [`current`](Self::is_current), and let every server
    /// [`reload`](Self::reload): one that has not heard of a rotation still seals with this key.
    ///
    /// # Errors
    /// [`RingError`] when it is the current key or unknown, and as [`rotate`](Self::rotate).
    pub fn retire(&self, id: KeyId) -> Result<(), RingError> {
        self.take(|file| file.retire(id))
    }

    fn take(
        &self,
        act: impl FnOnce(&RingFile) -> Result<Keys, RingError>,
    ) -> Result<(), RingError> {
        let file = self.shared.file.lock();
        let keys = act(&file)?;
        *self.shared.keys.write() = Arc::new(keys);
        Ok(())
    }

    /// The keys there are, in the order they were made, the current one last.
    #[must_use]
    pub fn list(&self) -> Vec<KeyFacts> {
        self.keys().facts()
    }

    /// The key new values are sealed under.
    #[must_use]
    pub fn current_id(&self) -> KeyId {
        self.keys().current().id()
    }

    /// Seals a value for its place: [`OVERHEAD_BYTES`](crate::OVERHEAD_BYTES) longer than it was.
    ///
    /// AES-256-GCM under a key derived for this place, with a random nonce. The result tells the
    /// key's id and the value's length; pad a value whose length is a secret.
    ///
    /// # Errors
    /// [`SealError`] when value or place are too long, or the machine fails.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        sealed::seal(self.keys().current(), place, &nonce, plain)
    }

    /// Opens a value at its place.
    ///
    /// # Errors
    /// [`OpenError`], without a reason, for anything this ring has not sealed for this place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        sealed::open(&self.keys(), place, sealed)
    }

    /// Opens a value at its place. A value that names an unknown key makes the ring read its file
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
            let is_unknown = |id| self.keys().find(id).is_none();
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

    /// Whether a value names the current key. One that does not is to be sealed anew.
    ///
    /// Only what the value says of itself; whether it is authentic is for [`open`](Self::open).
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        Self::key_id_of(sealed) == Some(self.current_id())
    }

    /// The key a value says it is sealed under, for the record; `None` when it is no sealed value.
    #[must_use]
    pub fn key_id_of(sealed: &[u8]) -> Option<KeyId> {
        Envelope::parse(sealed).map(|envelope| envelope.key_id)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.shared.keys.read())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyRing").field("keys", &self.list()).finish_non_exhaustive()
    }
}
