//! Who is acting on a connection, and what the guards remember of that connection.
//! Never: roles of its own; those are read from the user at every message.

use std::cell::Cell;
use std::sync::Arc;

use portcullis_model::{Denial, Now};

use crate::directory_user::{User, UserSlot};
use crate::rate::{Gcra, Rate};
use crate::token::Verified;

/// Violations after which a connection ends: ten in a minute.
const STRIKES: Rate = Rate::per(10, 60_000);

/// A user, proven, with one of the user's connection slots.
///
/// Only [`crate::Gate`] makes one.
pub struct Principal {
    slot: UserSlot,
    sessions_epoch: u64,
    expires_unix_s: Cell<i64>,
    session: Option<String>,
}

impl Principal {
    /// `sessions_epoch` was read before the user was checked: what changes after that is noticed.
    pub(crate) fn new(slot: UserSlot, sessions_epoch: u64, verified: Verified) -> Self {
        Self {
            slot,
            sessions_epoch,
            expires_unix_s: Cell::new(verified.expires_unix_s),
            session: verified.session,
        }
    }

    /// The user, as of now.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        self.slot.user()
    }

    /// When the credential ends, in seconds since 1970.
    #[must_use]
    pub fn expires_unix_s(&self) -> i64 {
        self.expires_unix_s.get()
    }

    /// Takes over the end of a newer credential of the same session.
    pub(crate) fn renew(&self, expires_unix_s: i64) {
        self.expires_unix_s.set(expires_unix_s.max(self.expires_unix_s.get()));
    }

    /// The session (`sid`) the credential belongs to, if it named one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Whether the authority still stands; asked before every message.
    ///
    /// Two atomic loads and a comparison.
    ///
    /// # Errors
    /// [`Denial::SessionEnded`] when the credential ended or was revoked, or the user is disabled.
    pub fn is_current(&self, now: Now) -> Result<(), Denial> {
        let user = self.user();
        if user.sessions_epoch() == self.sessions_epoch
            && !user.is_disabled()
            && now.unix_s() < self.expires_unix_s.get()
        {
            Ok(())
        } else {
            Err(Denial::SessionEnded)
        }
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Principal").field("user", &self.user().id).finish_non_exhaustive()
    }
}

/// A principal and what the guards remember of the connection: no lock, no table.
pub struct Caller {
    /// Who is acting.
    pub principal: Principal,
    /// All messages of this connection.
    pub(crate) messages: Gcra,
    /// The lowest `seq` the next message may carry.
    pub(crate) sequence_min: Cell<u64>,
    strikes: Gcra,
}

impl Caller {
    /// A fresh connection of a principal.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        let sequence_min = Cell::new(0);
        Self { principal, messages: Gcra::default(), sequence_min, strikes: Gcra::default() }
    }

    /// Counts a violation; true when the budget, ten in a minute, is used up.
    pub fn strike(&self, now: Now) -> bool {
        self.strikes.count(&STRIKES, now)
    }
}
