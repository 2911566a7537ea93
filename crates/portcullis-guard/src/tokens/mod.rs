//! Tokens of issuers: keys, profile, claims.
//! Never: users, tickets, permissions.

pub(crate) mod token; // the acceptance profile of tokens
pub(crate) mod header; // its header, and the checks of it
pub(crate) mod claims; // claims with exact types
pub(crate) mod key; // keys pinned to issuer and algorithm
pub(crate) mod rules; // rules for an issuer's tokens in addition to the signature
pub(crate) mod secret_strength; // which shared secrets can be guessed
pub(crate) mod jwks; // an issuer's keys as it publishes them
#[cfg(test)]
pub(crate) mod forge; // tokens for tests
#[cfg(test)]
mod stock_tests; // tokens as stock identity providers issue them
#[cfg(test)]
mod wycheproof_tests; // RSA signatures against known attacks
