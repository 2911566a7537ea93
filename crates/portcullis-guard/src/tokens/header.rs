//! The header of a token (JOSE, RFC 7515 section 4).
//! Never: a key from a header, or a URL to fetch one from.

use std::fmt;

use portcullis_model::TokenFault;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::tokens::claims::{DEPTH_MAX, Keys, Unread};
use crate::tokens::key::is_key_id;

/// Longest header, decoded: half of the longest token.
const HEADER_MAX_BYTES: usize = 2048;

/// Longest name of an algorithm (RFC 7518 section 7.1 has none longer than 18 bytes).
const NAME_MAX_BYTES: usize = 64;

/// Parameters that carry a key, name its location, or change the bytes that the signature covers.
///
/// RFC 7515 lets a recipient ignore the first four. They are rejected all the same: this server
/// never reads keys from tokens, and a token that offers one is an attack far more often than not
/// (T-036). `crit` names extensions that must be understood (section 4.1.11), and none is.
const REJECTED: [&str; 7] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"];

/// The parameters of a header that are read.
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: Option<String>,
    pub(crate) kid: Option<String>,
}

impl Header {
    /// Reads a header. Unknown parameters are ignored (RFC 7515 section 4); duplicates are
    /// rejected.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, TokenFault> {
        if bytes.len() > HEADER_MAX_BYTES || bytes.first() != Some(&b'{') {
            return Err(TokenFault::Header);
        }
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let read = deserializer.deserialize_map(HeaderVisitor);
        let header = read.and_then(|header| deserializer.end().map(|()| header));
        let header = header.map_err(|_| TokenFault::Header)?;
        let is_valid = header.kid.as_deref().is_none_or(is_key_id);
        if is_valid && header.alg.len() <= NAME_MAX_BYTES {
            Ok(header)
        } else {
            Err(TokenFault::Header)
        }
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of header parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let (mut alg, mut typ, mut kid) = (None, None, None);
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "alg" => alg = Some(map.next_value::<String>()?),
                "typ" => typ = Some(map.next_value::<String>()?),
                "kid" => kid = Some(map.next_value::<String>()?),
                "cty" if is_nested(&map.next_value()?) => {
                    return Err(A::Error::custom("a token within the token"));
                }
                "cty" => {}
                name if REJECTED.contains(&name) => {
                    return Err(A::Error::custom("a parameter that is not accepted"));
                }
                _ => map.next_value_seed(Unread { depth_left: DEPTH_MAX })?,
            }
            keys.insert(key)?;
        }
        let alg = alg.ok_or_else(|| A::Error::missing_field("alg"))?;
        Ok(Header { alg, typ, kid })
    }
}

/// `cty` says that the payload is another token (RFC 7519 section 5.2).
fn is_nested(content_type: &serde_json::Value) -> bool {
    let text = content_type.as_str().unwrap_or_default();
    ["jwt", "application/jwt"].iter().any(|nested| text.eq_ignore_ascii_case(nested))
}
