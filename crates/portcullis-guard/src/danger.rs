//! What weakens the doors. Every use is named at the start.
//! Never: on unless a program asks for it by this name.

use std::sync::Arc;

use portcullis_model::{Denial, Now, Roles, UserId};

use crate::directory_user::{User, UserFacts};
use crate::gate::Gate;
use crate::principal::Principal;
use crate::token::Verified;

/// Guards a program switches off, for tests of the protocol and for closed networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Danger {
    /// Any page may connect, and clients that send no `Origin`.
    pub any_origin: bool,
    /// Any `Host` is taken for ours: pages of other names reach the server by DNS rebinding.
    pub any_host: bool,
    /// CONNECT needs no credential; whoever comes is a user of its own.
    pub anonymous: bool,
}

impl Danger {
    /// The promises that are weakened, in words for the log.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        let all = [
            (self.any_origin, "any origin may connect"),
            (self.any_host, "any Host header is believed"),
            (self.anonymous, "no credential is asked for"),
        ];
        all.into_iter().filter(|(on, _)| *on).map(|(_, words)| words).collect()
    }
}

impl Gate {
    /// A user of its own for a connection that shows nothing, when that is allowed.
    ///
    /// `id` has to be new: rates and limits are by user.
    ///
    /// # Errors
    /// [`Denial::Token`] unless [`Danger::anonymous`] is on.
    pub fn authenticate_anonymous(&self, id: UserId, now: Now) -> Result<Principal, Denial> {
        if !self.options.danger.anonymous {
            return Err(Denial::Token(portcullis_model::TokenFault::Missing));
        }
        let name = String::from("anonymous");
        let facts = UserFacts {
            id: id.clone(),
            name,
            roles: Roles::user(),
            disabled: false,
            valid_after_unix_ms: 0,
        };
        let user = Arc::new(User::new(facts));
        let slot = user.connect(1).ok_or(Denial::UserConnections)?;
        let verified = Verified {
            user: id,
            own: false,
            issuer: Arc::from(""),
            subject: String::new(),
            name: None,
            issued_unix_s: now.unix_s(),
            expires_unix_s: i64::MAX / 1000,
            session: None,
            token: String::new(),
        };
        Ok(Principal::new(slot, user.sessions_epoch(), verified))
    }
}
