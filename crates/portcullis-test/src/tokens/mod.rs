//! Tokens, keys and codes of any shape.
//! Never: keys of a real issuer.

pub(crate) mod forge; // tokens of any shape
pub(crate) mod client_key; // a client's own key, its proofs and signatures
pub(crate) mod key_forms; // a public key in every form
pub(crate) mod authenticator; // codes of a second factor
pub(crate) mod published_key; // keys that issuers publish, and their signatures
