//! Credentials that clients present: tokens, tickets and proofs of a key.
//! Never: which user may connect.

pub(crate) mod credential; // the allowed places of a credential
pub(crate) mod ticket; // one-time tickets
pub(crate) mod proof; // proofs that a client holds its key
pub(crate) mod client_key; // the key of a client
pub(crate) mod first_key; // the first key of a token of another issuer
