//! The user of an access token that this server issued, with the session of the token.
//! Never: users of other issuers; they manage their accounts there.

use std::sync::Arc;

use portcullis_guard::{User, VerifiedCredential};
use portcullis_model::{Denial, SessionId, TokenFault};
use portcullis_server::ApiRequest;

/// How old a login can be for requests that change the security of an account: 5 minutes.
const RECENT_S: i64 = 5 * 60;

/// A user of this server who is signed in, with their session.
pub(crate) struct SignedInUser {
    pub(crate) user: Arc<User>,
    pub(crate) session: SessionId,
    /// When the user authenticated to get this token, in seconds since 1970.
    authenticated_unix_s: Option<i64>,
}

impl SignedInUser {
    /// Reads the user from the token of the request.
    ///
    /// # Errors
    /// [`Denial::SecondFactor`] for a user who has to add a second factor first, [`Denial::Token`].
    pub(crate) fn read(request: &ApiRequest) -> Result<Self, Denial> {
        let signed_in = Self::read_for_setup(request)?;
        if signed_in.user.is_setup_only() {
            return Err(Denial::SecondFactor("setup"));
        }
        Ok(signed_in)
    }

    /// Like [`SignedInUser::read`], for the routes that add a second factor.
    pub(crate) fn read_for_setup(request: &ApiRequest) -> Result<Self, Denial> {
        let caller = request.authenticated_for_setup()?;
        Self::of(request, &caller.verified, caller.user)
    }

    fn of(
        request: &ApiRequest,
        verified: &VerifiedCredential,
        user: Arc<User>,
    ) -> Result<Self, Denial> {
        let named = verified.session.as_deref().and_then(|name| SessionId::parse(name).ok());
        let live = named.and_then(|id| request.gate.directory().session(&id));
        match live.filter(|_| verified.own) {
            Some(live) => Ok(Self {
                user,
                session: live.id.clone(),
                authenticated_unix_s: verified.login.authenticated_unix_s,
            }),
            None => Err(Denial::Token(TokenFault::Session)),
        }
    }

    /// Rejects the request when the login of its token is not recent.
    pub(crate) fn check_recent(&self, request: &ApiRequest) -> Result<(), Denial> {
        check_recent(self.authenticated_unix_s, request)
    }
}

/// Rejects a token whose own login is not recent, or whose time is unknown.
///
/// The login of another token of the session does not count: one of the two may be a copy.
pub(crate) fn check_recent(
    authenticated_unix_s: Option<i64>,
    request: &ApiRequest,
) -> Result<(), Denial> {
    let age_s = authenticated_unix_s.map(|at_s| request.now.unix_s().saturating_sub(at_s));
    match age_s {
        Some(age_s) if age_s <= RECENT_S => Ok(()),
        Some(_) | None => Err(Denial::ReauthRequired),
    }
}
