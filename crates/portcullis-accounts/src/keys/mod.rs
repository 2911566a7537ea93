//! Keys: those that sign access tokens, the session secret, keys of other issuers.
//! Never: tokens.

pub(crate) mod signing_keys; // the ring of keys that sign them
pub(crate) mod signing_key; // one key of it
pub(crate) mod jwks; // GET /.well-known/jwks.json
pub(crate) mod issuer_keys; // keys of other issuers, fetched
pub(crate) mod server_secret; // what refresh tokens and device cookies are made from
pub(crate) mod session_key; // one secret, and the keys derived from it
