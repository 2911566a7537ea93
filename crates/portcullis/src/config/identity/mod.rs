//! Sections about identity: tokens, issuers, accounts, sessions, roles.
//! Never: a check of a token.

pub(crate) mod token; // [token]
pub(crate) mod token_rules; // which tokens of an issuer are accepted
pub(crate) mod accounts; // [accounts]
pub(crate) mod passwords; // which new passwords are rejected
pub(crate) mod session; // [session]
pub(crate) mod roles; // [[role]], [access], [replay]
#[cfg(test)]
pub(crate) mod issuer_tests; // whole files with issuers
