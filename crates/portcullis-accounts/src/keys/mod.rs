//! Keys: the signing keys of access tokens, the session secrets, and keys of other issuers.
//! Never: tokens.

pub(crate) mod error; // why keys cannot be read or changed
pub(crate) mod key_directory; // its lock, and names of temporary files
pub(crate) mod signing_key; // one Ed25519 key pair
pub(crate) mod signing_keys; // the key set that signs access tokens
pub(crate) mod jwks; // GET /.well-known/jwks.json
pub(crate) mod session_key; // one session secret, and the keys derived from it
pub(crate) mod server_secret; // all session secrets
pub(crate) mod digest; // SHA-256 of a text
pub(crate) mod issuer_keys; // keys of other issuers, fetched over HTTPS
