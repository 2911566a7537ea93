//! Why a token is rejected.
//! Never: a text for the client, which never learns the fault.

/// Why a token is rejected. The client never learns the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// A required credential is missing.
    Missing,
    /// Only a cookie was sent, which never opens a socket.
    CookieOnly,
    /// Not a string, too long, wrong number of parts, wrong alphabet, not canonical.
    Shape,
    /// The header is not a plain `alg`, `typ`, `kid`, or it contains a key, `crit` or compression.
    Header,
    /// The type in the header names another kind of token.
    Type,
    /// An id-token, of an issuer that gives access tokens.
    IdToken,
    /// A token for a logout, a refresh or another single purpose, or not of the required type.
    OtherToken,
    /// It lacks a scope that its issuer's tokens have to list.
    Scope,
    /// It contains `authorization_details` (RFC 9396), which the server does not support.
    Details,
    /// The algorithm is not the one of the key.
    Algorithm,
    /// The key or issuer is unknown.
    Key,
    /// The signature does not match.
    Signature,
    /// A claim is missing, repeated, of the wrong type, or has a wrong value.
    Claims,
    /// It has expired.
    Expired,
    /// It is not valid yet, or issued in the future.
    NotYet,
    /// Its lifetime is longer than allowed.
    Lifetime,
    /// The user does not exist any more or is disabled.
    User,
    /// Issued before the user's tokens were revoked or replaced, or revoked itself.
    Revoked,
    /// Its session has ended, or never existed.
    Session,
    /// A token of this server from the future: a clock of the operator is wrong.
    Clock,
    /// A ticket that was never issued, is too old, or is used by another page.
    Ticket,
    /// A one-time credential that was used before.
    Used,
    /// It is bound to a key of its client, and was sent without proof of that key.
    Bound,
    /// The proof of the client's key is invalid, of another client, or too old (RFC 9449).
    Proof,
}
