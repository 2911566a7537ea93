//! Certificates by ACME (RFC 8555): obtained, stored and renewed while the server runs.
//! Never: a certificate that its authority did not issue for exactly the names of this server.

pub(crate) mod task; // the periodic task: when, and what follows
pub(crate) mod names; // the names of the certificate, which a reload replaces
pub(crate) mod schedule; // the times of renewals and of further attempts
pub(crate) mod last_failure; // the last failed attempt, for the next start
mod attempt; // one attempt, from the account to the certificate in use
mod partial; // the names that get a certificate without the rejected ones
mod order; // one order: authorizations, challenges, the certificate
mod challenge; // the answer to a challenge
mod renewal_info; // the window that the authority suggests (RFC 9773)
pub(crate) mod account; // the account and its key
pub(crate) mod transport; // requests to the authority
mod failure; // faults of an order, in words for the operator
pub(crate) mod stored; // the certificate and its key in the data directory
pub(crate) mod temporary; // a certificate of the server's own until there is one
mod state; // times for metrics
