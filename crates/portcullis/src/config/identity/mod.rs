//! Sections about identity: tokens, issuers, accounts, sessions, roles.
//! Never: a check of a token.

pub(crate) mod token; // [token]
pub(crate) mod token_rules; // rules for tokens of an issuer
pub(crate) mod accounts; // [accounts]
pub(crate) mod passwords; // rules for new passwords
pub(crate) mod session; // [session]
pub(crate) mod roles; // [[role]], [access], [replay]
#[cfg(test)]
pub(crate) mod issuer_tests; // whole files with issuers
