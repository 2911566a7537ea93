//! What weakens the doors. Every use is named at the start.
//! Never: on unless a program asks for it by this name.

use std::cell::Cell;
use std::sync::Arc;

use portcullis_model::{Denial, Now, Roles, UserId};

use crate::authentication::principal::{Principal, Proof};
use crate::directory::user::{User, UserFacts, WhenFull};
use crate::gate::Gate;
use crate::tokens::token::Verified;

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
        let facts = UserFacts::new(id.clone(), String::from("anonymous"));
        let user = Arc::new(User::new(facts));
        let sessions_epoch = user.sessions_epoch();
        let slot = user.connect(1, WhenFull::Reject, now).ok_or(Denial::UserConnections)?;
        let authority = Arc::clone(self.directory.authority());
        let proof = Proof {
            slot,
            sessions_epoch,
            authority_epoch: authority.epoch(),
            session: None,
            authority,
            withheld: Cell::new(Roles::NONE),
            tokens: None,
            patience: self.options.patience,
        };
        let verified = Verified::nobody(id, now.unix_s());
        Ok(Principal::new(proof, verified, now))
    }
}
