//! Fields sealed at rest: AES-256-GCM under keys that can be rotated.
//! Never: decisions, sockets, SQL.
//!
//! A sealed value opens only at its own place: another tenant, record or field has another key.
//!
//! ```
//! use portcullis_seal::{Keyring, Place};
//!
//! # let directory = tempfile::tempdir()?;
//! # let now_unix_ms = 1_770_000_000_000;
//! let ring = Keyring::load_or_create(directory.path(), now_unix_ms)?;
//! let place = Place { tenant: "main", record: "user-7", field: "totp" };
//! let sealed = ring.seal(&place, b"a shared secret")?;
//! assert_eq!(ring.open(&place, &sealed)?.expose(), b"a shared secret");
//! assert!(ring.open(&Place { record: "user-8", ..place }, &sealed).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod associated_data; // the position of a sealed value
mod keyring; // the keys of a server: seals, opens, rotates
mod sealed; // seals and opens one value
mod envelope; // the bytes of a sealed value
mod cipher; // AES-256-GCM, in its only form
mod key_id; // the id of a key
mod field_key; // a key, and the keys that are derived from it
mod keys; // the current key and older ones
mod keyring_file; // the keyring on disk
mod keyring_text; // the content of the keyring's file
mod line_fault; // faults of its lines
mod keyring_error; // errors of reading or changing it
pub mod application_mark; // a mark of applications that use the keyring
pub mod private_file; // small files that only their owner can read
#[cfg(test)]
mod wycheproof_tests; // the cipher against known attacks
#[cfg(test)]
mod keyring_tests; // the keyring, its file and its values under attack

pub use associated_data::{PLACE_PART_MAX_BYTES, Place};
pub use key_id::{KeyId, KeyIdError};
pub use keyring::Keyring;
pub use keyring_error::KeyringError;
pub use keys::KeyFacts;
pub use line_fault::{KEYS_MAX, LineFault};
pub use private_file::PrivateFileError;
pub use sealed::{OVERHEAD_BYTES, OpenError, PLAIN_MAX_BYTES, SealError};
