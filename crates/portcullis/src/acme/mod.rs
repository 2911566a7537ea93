//! Certificates by ACME (RFC 8555): obtained, stored and renewed while the server runs.
//! Never: a certificate that its authority did not issue for names of this server alone.

pub(crate) mod task; // the periodic task: when, and what follows
pub(crate) mod names; // the names of the certificate, which a reload replaces
pub(crate) mod schedule; // the times of renewals and of further attempts
pub(crate) mod last_failure; // the last failed attempt, for the next start
mod current; // the certificate in use
mod partial; // the names that get a certificate without the rejected ones
pub(crate) mod authority; // accounts, orders and requests at the authority
pub(crate) mod stored; // the certificate and its key in the data directory
pub(crate) mod temporary; // a certificate of the server's own until there is one
mod state; // times for metrics
