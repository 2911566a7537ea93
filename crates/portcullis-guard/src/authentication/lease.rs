//! What a message was permitted on, to be asked again where it takes effect.
//! Never: a clock of its own, or a wait; a writer asks it inside a transaction.

use std::sync::Arc;

use portcullis_model::Now;

use crate::authentication::principal::CredentialMarks;
use crate::directory::authority::Authority;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::tokens::token::Tokens;

/// The authority a connection acts on; on any thread, for as long as anybody keeps it.
///
/// Between a permit and its effect the user may have been banned or logged out, and been told so.
/// Whoever makes the effect lasting asks again, and after that answer nothing more happens.
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
    /// Whether nothing has ended what the permit was given on.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.user.sessions_epoch() == self.sessions_epoch
            && !self.session.as_ref().is_some_and(|session| session.is_ended())
            && self.is_unrevoked()
    }

    /// As [`Lease::holds`], for what others hear: the user was not muted either.
    #[must_use]
    pub fn may_send(&self, now: Now) -> bool {
        self.holds() && !self.user.is_muted(now)
    }

    pub(crate) fn is_unrevoked(&self) -> bool {
        let unchanged = self.authority.epoch() == self.authority_epoch;
        let stands = |tokens: &Arc<Tokens>| self.marks.stand(&self.authority, tokens);
        unchanged || self.tokens.as_ref().is_none_or(stands)
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lease").field("user", &self.user.id).finish_non_exhaustive()
    }
}
