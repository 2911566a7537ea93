//! Second factors and invitations to register, as they go into the store.
//! Never: a code in the clear; only digests are stored.

use std::fmt;

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

/// A stored invitation that has not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// The start of its digest, which identifies it; the secret cannot be derived from it.
    pub id: InvitationId,
    /// The inviting user; `None` for an operator, or for a user who is deleted.
    pub by: Option<UserId>,
    /// When it was made.
    pub at_unix_ms: i64,
    /// When it expires.
    pub ends_unix_ms: i64,
    /// The user who registered with it.
    pub used_by: Option<UserId>,
}

/// The first eight bytes of the digest of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationId(pub(crate) [u8; 8]);

impl InvitationId {
    /// The id of the invitation with this digest.
    #[must_use]
    pub fn of(hash: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        Self([a, b, c, d, e, f, g, h])
    }

    /// Reads 16 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(|id| Self(id.to_be_bytes()))
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invitation_id_is_read_as_it_is_written() {
        let id = InvitationId::of(&[7; 32]);
        assert_eq!(id.to_string(), "0707070707070707");
        assert_eq!(InvitationId::parse("0707070707070707"), Some(id));
        for text in ["", "07", "+707070707070707", "070707070707070g", "07070707070707070"] {
            assert_eq!(InvitationId::parse(text), None, "{text:?}");
        }
    }
}
