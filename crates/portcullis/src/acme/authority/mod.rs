//! The client of an authority (RFC 8555): accounts, orders, challenges.
//! Never: decides when an attempt is made; [`crate::acme::task`] does.

pub(crate) mod attempt; // one attempt, from the account to the certificate
pub(crate) mod account; // the account and its key
mod order; // one order: authorizations, challenges, the certificate
mod challenge; // the answer to a challenge
pub(crate) mod renewal_info; // the window that the authority suggests (RFC 9773)
pub(crate) mod transport; // requests to the authority
pub(crate) mod failure; // faults of an order, in words for the operator
