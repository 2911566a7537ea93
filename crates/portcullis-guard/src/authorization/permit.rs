//! A permit: proof that a message may have its effect.
//! Never: made outside the gate.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{Mid, Roles, RoomId};

use crate::authentication::lease::Lease;
use crate::authorization::replay::Envelope;
use crate::content::cleaner::Findings;
use crate::directory::user::User;
use crate::payload::attachment::Attachment;

/// Proof that a message may have its effect: typed, cleaned, allowed. Only the gate makes one.
pub struct Permit<E> {
    pub(crate) user: Arc<User>,
    pub(crate) roles: Roles,
    pub(crate) lease: Arc<Lease>,
    pub(crate) payload: E,
    pub(crate) envelope: Envelope,
    pub(crate) attachments: Vec<Bytes>,
    pub(crate) anywhere: bool,
    pub(crate) findings: Findings,
    pub(crate) room: Option<RoomId>,
    pub(crate) login_age_s: Option<i64>,
}

impl<E> Permit<E> {
    /// The user.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// The roles of the user that are in force on the connection.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// The time since the login, in seconds; none when the token does not say it.
    ///
    /// For operations whose greatest age depends on the payload.
    #[must_use]
    pub fn login_age_s(&self) -> Option<i64> {
        self.login_age_s
    }

    /// The payload, cleaned.
    #[must_use]
    pub fn payload(&self) -> &E {
        &self.payload
    }

    /// The basis of the permit; checked again with the store when it takes effect.
    #[must_use]
    pub fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    /// Whether the user may do this in every room, by a role and not as its owner.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        self.anywhere
    }

    /// The room that the permit covers: the one the message is about, where the rule asks for a
    /// member or the owner. A handler may emit to it.
    #[must_use]
    pub fn room(&self) -> Option<&RoomId> {
        self.room.as_ref()
    }

    /// The findings in its accepted text, which have to be recorded.
    #[must_use]
    pub fn findings(&self) -> Findings {
        self.findings
    }

    /// The bytes of a field that holds binary data.
    #[must_use]
    pub fn attachment(&self, field: &Attachment) -> Bytes {
        self.attachments.get(field.number).cloned().unwrap_or_default()
    }

    /// The idempotency key, if the client sent one and the event takes it.
    #[must_use]
    pub fn mid(&self) -> Option<&Mid> {
        self.envelope.mid.as_ref()
    }

    /// SHA-256 of the payload as sent, to distinguish a retry from a new message; with a `mid`.
    ///
    /// Sealed fields are not part of it, because a hash of a short secret can be guessed. So two
    /// messages that differ in sealed fields alone have one digest: the second one with the same
    /// `mid` counts as a retry of the first. A handler that has to distinguish them compares the
    /// opened values.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.envelope.digest
    }

    /// Gives up the proof for its payload.
    #[must_use]
    pub fn into_payload(self) -> E {
        self.payload
    }

    /// Gives up the proof for all of its parts.
    #[must_use]
    pub fn into_parts(self) -> (Arc<User>, E, Envelope) {
        (self.user, self.payload, self.envelope)
    }
}

impl<E> std::fmt::Debug for Permit<E> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Permit").field("user", &self.user).finish_non_exhaustive()
    }
}
