//! The second stage: from a credential to a principal.
//! Never: await, sockets, storage; what the user may do.

pub(crate) mod authenticate; // door 2: a credential becomes a principal
pub(crate) mod verify; // tokens, tokens bound to a key, tickets
pub(crate) mod on_connection; // credentials within the budget of one connection
pub(crate) mod anonymous; // principals without a credential
pub(crate) mod factor_check; // second factors that a credential shows
pub(crate) mod credential; // where a credential may stand
pub(crate) mod ticket; // one-time tickets
pub(crate) mod proof; // proofs that a client holds its key
pub(crate) mod client_key; // the key a client keeps
pub(crate) mod first_key; // the key a token of another issuer was first shown with
pub(crate) mod principal; // who is acting on a connection
pub(crate) mod second_factor; // who needs a second factor, and what is withheld without
pub(crate) mod lease; // what a message was permitted on, asked again at its effect
#[cfg(test)]
mod signed_tests; // door 3 with a session's key
#[cfg(test)]
mod external_tests; // users of other issuers behind the gate
