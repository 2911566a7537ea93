//! The class of a client, as far as it is known before sign-in.
//! Never: an identity.

use serde::{Deserialize, Serialize};

/// The class of a client, as far as it is known before sign-in.
///
/// Traces keep the older names of the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientClass {
    /// An unauthenticated client.
    #[serde(rename = "stranger")]
    Unauthenticated,
    /// A returning client: it holds a valid admission token.
    #[serde(rename = "known")]
    Returning,
    /// A returning client of an administrator.
    #[serde(rename = "admin")]
    Admin,
}
