//! The second stage: from a credential to a principal.
//! Never: await, sockets, storage; the permissions of the user.

pub(crate) mod authenticate; // the stage: principals, renewals
pub(crate) mod verify; // tokens, tokens bound to a key, tickets
pub(crate) mod on_connection; // credentials within the budget of one connection
pub(crate) mod anonymous; // principals without a credential
pub(crate) mod factor_check; // second factors that a credential shows
pub(crate) mod credentials; // credentials that clients present
pub(crate) mod principal; // the user of a connection
pub(crate) mod second_factor; // which users need a second factor
pub(crate) mod lease; // the authority of an operation, checked again at commit
#[cfg(test)]
mod signed_tests; // signed events
#[cfg(test)]
mod external_tests; // users of other issuers
