//! Keys that seal fields of events with AES-256-GCM: a keyring on disk, with rotation.
//! Never: plain text in an error; a new key where an older one is expected.

use std::fmt;
use std::path::Path;

use portcullis_guard::{FieldSealer, SealFault, SealedPlace};
use portcullis_model::{Clock, Secret, SystemClock};
use portcullis_seal::{Keyring, KeyringError, Place};
use portcullis_server::Builder;

/// Period between reloads of the keyring, in milliseconds.
const RELOAD_EVERY_MS: u64 = 1_000;

/// A keyring in a directory: `field-keys.ring`, mode 0600, as in the chat server.
///
/// `portcullis keys rotate field` and `keys list` work on it, and a running server uses a new key
/// within two seconds. Old keys decrypt their fields until they are removed. Cheap to clone.
///
/// ```
/// use portcullis::{FieldKeys, Sealed, SealedPlace, UserId};
///
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let keys = FieldKeys::create(directory)?;
/// let ann = UserId::parse("ann")?;
/// let place = SealedPlace {
///     namespace: "/",
///     event: "note:add",
///     user: &ann,
///     room: None,
///     field: "/text",
/// };
/// let sealed = Sealed::seal(&keys, &place, &String::from("a secret"))?;
/// assert_eq!(sealed.open(&keys, &place)?, "a secret");
/// assert!(sealed.open(&keys, &SealedPlace { field: "/title", ..place }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FieldKeys {
    ring: Keyring,
}

impl FieldKeys {
    /// Reads the keyring of a directory; creates directory and keyring if they do not exist.
    ///
    /// Use it for the first start. It does not detect a lost keyring: when sealed fields exist, use
    /// [`FieldKeys::read`].
    ///
    /// # Errors
    /// [`KeyringError`] when other users can read the file, it is damaged, or it cannot be created.
    pub fn create(directory: &Path) -> Result<Self, KeyringError> {
        let now = SystemClock::start().now();
        Keyring::load_or_create(directory, now.unix_ms).map(Self::from)
    }

    /// Reads the keyring of a directory, which must exist.
    ///
    /// # Errors
    /// [`KeyringError`] when it does not exist, other users can read it, or it is damaged.
    pub fn read(directory: &Path) -> Result<Self, KeyringError> {
        Keyring::read(directory).map(Self::from)
    }

    /// The keyring: its keys, rotation, and sealing for your own places.
    #[must_use]
    pub fn ring(&self) -> &Keyring {
        &self.ring
    }

    /// Whether a value is sealed with the current key; otherwise seal it again.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.ring.is_current(sealed)
    }

    /// Reloads the keyring regularly, so that changes of other processes apply.
    pub(crate) fn reload_on(self, builder: &mut Builder, name: &'static str) {
        builder.every(name, RELOAD_EVERY_MS, move |_| reload(self.ring.clone()));
    }
}

impl From<Keyring> for FieldKeys {
    fn from(ring: Keyring) -> Self {
        Self { ring }
    }
}

impl fmt::Debug for FieldKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FieldKeys").finish_non_exhaustive()
    }
}

impl FieldSealer for FieldKeys {
    fn seal(&self, place: &SealedPlace<'_>, plain: &[u8]) -> Result<Vec<u8>, SealFault> {
        let sealed = with_place(place, |place| self.ring.seal(place, plain));
        sealed.map_err(|error| {
            tracing::error!(%error, event = place.event, "cannot seal a field of an event");
            SealFault::Seal
        })
    }

    fn open(&self, place: &SealedPlace<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealFault> {
        let opened = with_place(place, |place| self.ring.open_or_reload(place, sealed));
        opened.map_err(|_| {
            let SealedPlace { namespace, event, field, .. } = *place;
            tracing::warn!(namespace, event, field, "{}", SealFault::Open);
            SealFault::Open
        })
    }
}

/// Namespace, event, user, room and field as one place of the keyring.
///
/// Event names, users and rooms contain no slash, so two places never have the same name. No other
/// tenant of the keyring begins with `event:`.
fn with_place<R>(place: &SealedPlace<'_>, work: impl FnOnce(&Place<'_>) -> R) -> R {
    let SealedPlace { namespace, event, user, room, field } = place;
    let tenant = format!("event:{namespace}");
    let room = room.map_or("", |room| room.as_str());
    let record = format!("{event}/{user}/{room}");
    work(&Place { tenant: &tenant, record: &record, field })
}

/// Reloads the keyring that another process has changed.
async fn reload(ring: Keyring) {
    let reloaded = tokio::task::spawn_blocking(move || ring.reload()).await;
    if let Ok(Err(error)) = reloaded {
        tracing::error!(?error, "cannot reload the field keys: the old keys stay in use");
    }
}
