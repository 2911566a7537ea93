//! The keys that seal fields of events: AES-256-GCM under a keyring on disk, with rotation.
//! Never: plain text in an error; a key made where an older one is expected.

use std::fmt;
use std::path::Path;

use portcullis_guard::{FieldSealer, SealFault, SealedPlace};
use portcullis_model::{Clock, Secret, SystemClock};
use portcullis_seal::{KeyRing, Place, RingError};
use portcullis_server::Builder;

/// How often a running server reads the keyring again, in milliseconds.
const RELOAD_EVERY_MS: u64 = 1_000;

/// A keyring in a directory: `field-keys.ring`, mode 0600, as the chat server has it.
///
/// `portcullis keys rotate field` and `keys list` work on it, and a running server uses a new key
/// within two seconds. Old keys open what they sealed until they are removed. Cheap to clone.
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
    ring: KeyRing,
}

impl FieldKeys {
    /// Reads the keyring of a directory; makes directory and keyring if there is none.
    ///
    /// For the first start. A lost keyring is not noticed here: where sealed fields exist already,
    /// use [`FieldKeys::read`].
    ///
    /// # Errors
    /// [`RingError`] when others can read the file, it is damaged, or it cannot be made.
    pub fn create(directory: &Path) -> Result<Self, RingError> {
        let now = SystemClock::start().now();
        KeyRing::load_or_create(directory, now.unix_ms).map(Self::from)
    }

    /// Reads the keyring of a directory, which has to be there.
    ///
    /// # Errors
    /// [`RingError`] when it is not there, others can read it, or it is damaged.
    pub fn read(directory: &Path) -> Result<Self, RingError> {
        KeyRing::read(directory).map(Self::from)
    }

    /// The keyring: its keys, rotation, and sealing for places of your own.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Whether a sealed value has the current key; one that has not should be sealed again.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.ring.is_current(sealed)
    }

    /// Makes a server take in what another process changes in the keyring.
    pub(crate) fn reload_on(self, builder: &mut Builder, name: &'static str) {
        builder.every(name, RELOAD_EVERY_MS, move |_| reload(self.ring.clone()));
    }
}

impl From<KeyRing> for FieldKeys {
    fn from(ring: KeyRing) -> Self {
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
            tracing::error!(%error, event = place.event, "a field of an event was not sealed");
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
/// No event name, user or room holds a slash, so two places never have the same name; and no other
/// tenant of the keyring begins with `event:`.
fn with_place<R>(place: &SealedPlace<'_>, work: impl FnOnce(&Place<'_>) -> R) -> R {
    let SealedPlace { namespace, event, user, room, field } = place;
    let tenant = format!("event:{namespace}");
    let room = room.map_or("", |room| room.as_str());
    let record = format!("{event}/{user}/{room}");
    work(&Place { tenant: &tenant, record: &record, field })
}

/// Takes in a keyring that another process has changed.
async fn reload(ring: KeyRing) {
    let reloaded = tokio::task::spawn_blocking(move || ring.reload()).await;
    if let Ok(Err(error)) = reloaded {
        tracing::error!(?error, "the field keys in force stay: the keyring cannot be read");
    }
}
