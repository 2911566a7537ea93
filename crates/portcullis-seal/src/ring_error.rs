//! Why there is no ring, or why it was not changed.
//! Never: a byte of a key, or of a line that could hold one.

use std::path::PathBuf;

use crate::key_id::KeyId;
use crate::keys::KEYS_MAX;
use crate::private_file::PrivateFileError;

/// Why the ring of keys was not read or changed.
#[derive(thiserror::Error)]
pub enum RingError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is no file.
    #[error("{} is not there: restore it, sealed fields cannot be read without it", .0.display())]
    Missing(PathBuf),
    /// The file holds something else than a ring.
    #[error("{}, line {line}: {fault}: restore the file from a backup", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// Another process changes the ring at this moment.
    #[error("the keys in {} are being changed by another process: try again", .0.display())]
    Busy(PathBuf),
    /// The ring holds as many keys as it may.
    #[error("the ring has {KEYS_MAX} keys already: retire old ones first")]
    Full,
    /// No such key.
    #[error("there is no key {0} in the ring: list the keys for their ids")]
    Unknown(KeyId),
    /// The current key cannot be retired.
    #[error("key {0} is the current one: rotate, seal anew what it sealed, then retire it")]
    Current(KeyId),
    /// The system gives no randomness.
    #[error("cannot make a key: the system gives no randomness")]
    Randomness,
}

portcullis_model::debug_as_sentence!(RingError);

/// What is wrong with a line of the ring's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Bytes that are no text.
    #[error("the file is not text")]
    NotText,
    /// The first line is another one.
    #[error("the file does not begin as a ring of keys does")]
    Header,
    /// A version not known here.
    #[error("version {0} of the ring is not known here, perhaps to a newer server")]
    Version(u32),
    /// The file stops within a line.
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
    /// The fourth word is no base64.
    #[error("the key is not base64")]
    KeyEncoding,
    /// The fourth word is base64 of something else.
    #[error("the key has {0} bytes, not 32")]
    KeyLength(usize),
    /// A key of zeros only.
    #[error("the key is all zero")]
    KeyZero,
    /// The library does not take the key.
    #[error("the key cannot be used")]
    KeyUnusable,
    /// The id is derived from key and time, and is another one.
    #[error("the id is not that of this key and time: one of them was changed")]
    Mismatch,
    /// An id twice.
    #[error("key {0} is there twice")]
    Doubled(KeyId),
    /// A second current key.
    #[error("this is a second current key, there is one")]
    SecondCurrent,
    /// No current key.
    #[error("no key is current, one has to be")]
    NoCurrent,
    /// More keys than a ring holds.
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
}
