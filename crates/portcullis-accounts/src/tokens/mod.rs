//! Tokens that this server creates: access tokens, refresh tokens, tickets.
//! Never: a token in the database.

pub(crate) mod access_token; // EdDSA JSON Web Tokens of ten minutes
pub(crate) mod refresh_token; // the signed content of the refresh cookie
pub(crate) mod ticket; // POST /auth/ticket
pub(crate) mod shared_token; // tokens of an issuer with a shared secret, for tests
