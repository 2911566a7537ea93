//! A lease: the authority of a permitted message, checked again when its effect is committed.
//! Never: a clock or a wait; a writer checks it inside a transaction.

use std::sync::Arc;

use portcullis_model::Now;

use crate::authentication::principal::CredentialMarks;
use crate::directory::sessions::authority::Authority;
use crate::directory::sessions::session::Session;
use crate::directory::user::User;
use crate::tokens::token::Tokens;

/// The authority of a connection; valid on any thread.
///
/// Between a permit and its effect the user may be banned or logged out. The writer that commits
/// the effect checks the lease again, as the last step.
pub struct Lease {
    pub(crate) user: Arc<User>,
    pub(crate) sessions_epoch: u64,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) authority_epoch: u64,
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) marks: CredentialMarks,
}

impl Lease {
    /// Whether the authority of the permit is still valid.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.user.sessions_epoch() == self.sessions_epoch
            && !self.session.as_ref().is_some_and(|session| session.is_ended())
            && self.is_unrevoked()
    }

    /// As [`Lease::holds`], for messages to other users: the user is not muted either.
    #[must_use]
    pub fn may_send(&self, now: Now) -> bool {
        self.holds() && !self.user.is_muted(now)
    }

    pub(crate) fn is_unrevoked(&self) -> bool {
        let unchanged = self.authority.epoch() == self.authority_epoch;
        let valid = |tokens: &Arc<Tokens>| self.marks.are_valid(&self.authority, tokens);
        unchanged || self.tokens.as_ref().is_none_or(valid)
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lease").field("user", &self.user.id).finish_non_exhaustive()
    }
}
