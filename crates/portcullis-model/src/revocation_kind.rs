//! The object of a revocation: a token or a session.
//! Never: when the revocation ends.

/// What a revocation names, at an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// A token, by its `jti`.
    Token,
    /// A session, by its `sid`.
    Session,
}
