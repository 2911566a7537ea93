//! Tokens that this server makes: access tokens, refresh tokens, tickets.
//! Never: stored tokens.

pub(crate) mod refresh_token; // a session's turns
pub(crate) mod access_token; // access tokens of our own
pub(crate) mod shared_token; // a token of another issuer, for tests and support
pub(crate) mod ticket; // POST /auth/ticket
