//! A user whom the server sees for the first time, as the token of an issuer introduces one.
//! Never: a role out of a token.

use portcullis_guard::{UserFacts, VerifiedCredential};

/// A user as a foreign token introduces one; roles never come from a token.
pub(crate) fn facts(verified: VerifiedCredential) -> UserFacts {
    let name = verified.name.unwrap_or_else(|| verified.user.to_string());
    UserFacts::new(verified.user, name)
}
