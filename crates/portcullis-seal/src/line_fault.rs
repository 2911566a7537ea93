//! Faults of the lines of a keyring's file.
//! Never: a byte of a key, or of a line that could hold one.

use portcullis_model::LaterFormat;

use crate::key_id::KeyId;

/// Most keys in a keyring. Memory: under 10 KiB. With monthly rotation, that is five years of keys.
pub const KEYS_MAX: usize = 64;

/// The fault of a line of the keyring's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The bytes are not text.
    #[error("the file is not text")]
    NotText,
    /// The first line is not that of a keyring.
    #[error("the file does not start as a keyring does")]
    Header,
    /// A later version wrote the file.
    #[error("the keyring has {0}")]
    Later(LaterFormat),
    /// The file ends within a line.
    #[error("the line does not end: the file was cut")]
    Cut,
    /// Not four words with one space between.
    #[error("a key is four words (current or old, id, time, key), one space between them")]
    Words,
    /// The first word.
    #[error("the first word is neither current nor old")]
    State,
    /// The second word.
    #[error("the id is not 16 digits 0-9 a-f")]
    Id,
    /// The third word.
    #[error("the time is not milliseconds since 1970")]
    Time,
    /// The fourth word is not base64.
    #[error("the key is not base64")]
    KeyEncoding,
    /// The fourth word is base64 of something else.
    #[error("the key has {0} bytes, not 32")]
    KeyLength(usize),
    /// A key of zeros only.
    #[error("the key is all zero")]
    KeyZero,
    /// The library rejects the key.
    #[error("the key cannot be used")]
    KeyUnusable,
    /// The id does not follow from key and time.
    #[error("the id is not that of this key and time: one of them was changed")]
    Mismatch,
    /// An id that occurs twice.
    #[error("key {0} occurs twice")]
    Doubled(KeyId),
    /// A second current key.
    #[error("this is a second current key, and only one is allowed")]
    SecondCurrent,
    /// No current key.
    #[error("no key is current, and one must be")]
    NoCurrent,
    /// More keys than a keyring may have.
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
}
