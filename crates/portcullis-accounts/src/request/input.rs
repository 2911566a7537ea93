//! Types and readers for the bodies of account requests.
//! Never: unknown fields accepted, or a secret in a plain `String`.

use portcullis_model::Secret;
use serde::{Deserialize, Deserializer};

/// A body without members: `{}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmptyBody {}

/// Reads a secret from a member.
pub(crate) fn secret<'de, D: Deserializer<'de>>(reader: D) -> Result<Secret<String>, D::Error> {
    String::deserialize(reader).map(Secret::new)
}

/// Reads a secret from a member that can be absent or null.
pub(crate) fn optional_secret<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<Secret<String>>, D::Error> {
    Option::<String>::deserialize(reader).map(|text| text.map(Secret::new))
}
