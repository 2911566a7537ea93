//! CONNECT: from a credential to a socket in a namespace.
//! Never: events, except `auth:refresh`.

pub(crate) mod request; // the request of a CONNECT
pub(crate) mod credentials; // the credentials outside the CONNECT payload
pub(crate) mod state; // the states of a CONNECT
pub(crate) mod flow; // the state machine of a CONNECT
pub(crate) mod namespace_packet; // the rate of CONNECT and DISCONNECT packets
pub(crate) mod identity; // the user that a credential proves
pub(crate) mod user_slot; // a connection slot of the user, freed from a lost connection if needed
pub(crate) mod sign_in; // role, limits and slot of an authenticated user
pub(crate) mod recovery_claim; // a kept socket claimed by a returning client
pub(crate) mod answer; // the answer to the client
pub(crate) mod auth_refresh; // the event that extends a connection
pub(crate) mod renewal; // its handling
