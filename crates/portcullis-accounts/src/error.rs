//! Why the accounts cannot work, which stops the start.
//! Never: the fault of a client.

use portcullis_model::Denial;
use portcullis_seal::PrivateFileError;
use portcullis_store::StoreError;

use crate::keys::error::KeyError;

/// Why the accounts cannot work; the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The signing keys cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A private file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The store cannot be read.
    #[error("cannot read accounts from the store")]
    Store(#[from] StoreError),
    /// The hashing threads cannot be started.
    #[error("cannot start a thread that hashes passwords")]
    Thread(#[source] std::io::Error),
    /// The system returns no random bytes, or hashing fails.
    #[error("cannot prepare accounts")]
    Denied(#[source] Denial),
    /// The rule of an event is invalid, or another product has declared the event.
    #[error("cannot declare an event of the accounts")]
    Rule(#[from] portcullis_guard::GateError),
}
