//! Principals of clients without a credential, where the options permit them.
//! Never: permitted by default; see `disabled_guards.rs`.

use std::cell::Cell;
use std::sync::Arc;

use portcullis_model::{Denial, Now, Roles, UserId};

use crate::authentication::authenticate::Authentication;
use crate::authentication::principal::{Principal, PrincipalParts};
use crate::directory::user::{User, UserFacts, WhenFull};
use crate::tokens::token::VerifiedCredential;

impl Authentication {
    /// Makes a new user for a connection without a credential, where that is permitted.
    ///
    /// `id` has to be new, because limits count by user.
    ///
    /// # Errors
    /// [`Denial::Token`] unless [`crate::Danger::anonymous`] is on.
    pub fn authenticate_anonymous(&self, id: UserId, now: Now) -> Result<Principal, Denial> {
        if !self.policy.load().options.danger.anonymous {
            return Err(Denial::Token(portcullis_model::TokenFault::Missing));
        }
        let facts = UserFacts::new(id.clone(), String::from("anonymous"));
        let user = Arc::new(User::new(facts));
        let sessions_epoch = user.sessions_epoch();
        let slot = user.connect(1, WhenFull::Reject, now).ok_or(Denial::UserConnections)?;
        let authority = Arc::clone(self.directory.authority());
        let proof = PrincipalParts {
            slot,
            sessions_epoch,
            authority_epoch: authority.epoch(),
            session: None,
            authority,
            withheld: Cell::new(Roles::NONE),
            tokens: None,
            timeouts: self.policy.load().options.session_timeouts,
        };
        let verified = VerifiedCredential::anonymous(id, now.unix_s());
        Ok(Principal::new(proof, verified, now))
    }
}
