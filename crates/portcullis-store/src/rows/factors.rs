//! Second factors and invitations to register, as they go into the store.
//! Never: a code in the clear; only digests are stored.

use portcullis_model::{Secret, UserId};

/// A second factor to add.
#[derive(Debug, Clone)]
pub struct NewTotp {
    /// The shared secret.
    pub secret: Secret<Vec<u8>>,
    /// The time step of the code that confirmed it; no code of this step is valid again.
    pub step: u64,
    /// Digests of the recovery codes, for a lost device.
    pub recovery: Vec<[u8; 32]>,
}

/// An invitation to register.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Digest of the secret that the invited person gets.
    pub hash: [u8; 32],
    /// The inviting user; `None` for an operator at the command line.
    pub by: Option<UserId>,
    /// The current time.
    pub at_unix_ms: i64,
    /// When it expires.
    pub ends_unix_ms: i64,
}
