//! Fields sealed at rest: AES-256-GCM under keys that can be rotated.
//! Never: decisions, sockets, SQL.
//!
//! A sealed value opens at its own place only: another tenant, record or field has another key.
//!
//! ```
//! use portcullis_seal::{KeyRing, Place};
//!
//! # let directory = tempfile::tempdir()?;
//! # let now_unix_ms = 1_770_000_000_000;
//! let ring = KeyRing::load_or_create(directory.path(), now_unix_ms)?;
//! let place = Place { tenant: "main", record: "user-7", field: "totp" };
//! let sealed = ring.seal(&place, b"a shared secret")?;
//! assert_eq!(ring.open(&place, &sealed)?.expose(), b"a shared secret");
//! assert!(ring.open(&Place { record: "user-8", ..place }, &sealed).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod place; // where a sealed value stands
mod ring; // what a server holds: seals, opens, rotates
mod sealed; // one value sealed, one opened
mod envelope; // the bytes of a sealed value
mod cipher; // AES-256-GCM, in its one form
mod key_id; // a key's name
mod field_key; // a key, and the keys of records below it
mod keys; // the keys of a ring: the current one and older ones
mod ring_file; // the ring on disk
mod ring_text; // what the ring's file holds
mod ring_error; // why there is no ring
pub mod private_file; // small files only their owner may read
#[cfg(test)]
mod wycheproof_tests; // the cipher against known attacks
#[cfg(test)]
mod ring_tests; // the ring, its file and its values under attack

pub use key_id::{KeyId, KeyIdError};
pub use keys::{KEYS_MAX, KeyFacts};
pub use place::{PLACE_PART_MAX_BYTES, Place};
pub use private_file::PrivateFileError;
pub use ring::KeyRing;
pub use ring_error::{LineFault, RingError};
pub use sealed::{OVERHEAD_BYTES, OpenError, PLAIN_MAX_BYTES, SealError};
