//! The claims of a token, with exact types.
//! Never: a duplicate claim, a number that is not whole, or a role of an untrusted issuer.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_model::limits::INTEGER_MAX;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::tokens::rules::member;

/// Deepest nesting of claims that are not read.
pub(crate) const DEPTH_MAX: u8 = 8;
/// Members of one object.
const KEYS_MAX: usize = 64;
/// Longest `sid` and `jti`, in bytes.
const ID_MAX_BYTES: usize = 128;

/// The claims that are read. Other claims are ignored.
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// One or more, each once.
    pub(crate) aud: Vec<String>,
    pub(crate) sub: String,
    pub(crate) sid: Option<String>,
    pub(crate) jti: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) nbf: Option<i64>,
    pub(crate) auth_time: Option<i64>,
    /// Of an own token: how often the user had authenticated again (`gen`).
    pub(crate) generation: u64,
    /// Thumbprint of the key the token is bound to (`cnf.jkt`, RFC 9449 section 6.1).
    pub(crate) jkt: Option<String>,
}

impl Claims {
    /// Reads the payload of a token with a valid signature; none when a claim is malformed.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let found = deserializer.deserialize_map(ClaimsVisitor).ok()?;
        deserializer.end().ok()?;
        let plain = |id: &String| {
            (1..=ID_MAX_BYTES).contains(&id.len()) && !id.chars().any(char::is_control)
        };
        if !found.sid.iter().chain(&found.jti).all(plain) {
            return None;
        }
        Some(Self {
            iss: found.iss?,
            aud: found.aud?,
            sub: found.sub?,
            sid: found.sid,
            jti: found.jti,
            name: found.name,
            iat: found.iat?,
            exp: found.exp?,
            nbf: found.nbf,
            auth_time: found.auth_time,
            generation: found.generation,
            jkt: found.cnf.map(|confirmation| confirmation.jkt),
        })
    }
}

#[derive(Default)]
struct ReadClaims {
    iss: Option<String>,
    aud: Option<Vec<String>>,
    sub: Option<String>,
    sid: Option<String>,
    jti: Option<String>,
    name: Option<String>,
    iat: Option<i64>,
    exp: Option<i64>,
    nbf: Option<i64>,
    auth_time: Option<i64>,
    generation: u64,
    cnf: Option<Confirmation>,
}

/// `cnf`. A token with another kind of binding than to a P-256 key is rejected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    jkt: String,
}

/// A claim of any type; it still has to be valid JSON within the limits.
enum Loose {
    Text(String),
    Whole(u64),
    Other,
}

/// Reads a [`Loose`] claim.
struct AnyClaim;

impl<'de> DeserializeSeed<'de> for AnyClaim {
    type Value = Loose;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyClaim {
    type Value = Loose;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(String::from(text)))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose::Whole(number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Unread { depth_left: DEPTH_MAX }.visit_seq(items).map(|()| Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Unread { depth_left: DEPTH_MAX }.visit_map(map).map(|()| Loose::Other)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = ReadClaims;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReadClaims, A::Error> {
        let mut found = ReadClaims::default();
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "iss" => found.iss = Some(map.next_value()?),
                "aud" => found.aud = Some(map.next_value_seed(Audience)?),
                "sub" => found.sub = Some(map.next_value()?),
                // `null` is the same as being absent where the claim may be absent.
                "sid" => found.sid = map.next_value()?,
                "jti" => found.jti = map.next_value()?,
                // A name has to be a text, and a generation a whole number.
                "name" => match map.next_value_seed(AnyClaim)? {
                    Loose::Text(name) => found.name = Some(name),
                    Loose::Whole(_) | Loose::Other => {}
                },
                "gen" => match map.next_value_seed(AnyClaim)? {
                    Loose::Whole(number) => found.generation = number,
                    Loose::Text(_) | Loose::Other => {}
                },
                "iat" => found.iat = Some(moment(map.next_value()?)?),
                "exp" => found.exp = Some(moment(map.next_value()?)?),
                "nbf" => found.nbf = map.next_value::<Option<u64>>()?.map(moment).transpose()?,
                "auth_time" => {
                    found.auth_time = map.next_value::<Option<u64>>()?.map(moment).transpose()?;
                }
                "cnf" => found.cnf = map.next_value()?,
                _ => map.next_value_seed(Unread { depth_left: DEPTH_MAX })?,
            }
            keys.insert(key)?;
        }
        Ok(found)
    }
}

/// `NumericDate`, whole seconds from 1970 on, within what every JSON reader reads the same.
fn moment<E: Error>(seconds: u64) -> Result<i64, E> {
    match i64::try_from(seconds) {
        Ok(moment) if seconds <= INTEGER_MAX => Ok(moment),
        Ok(_) | Err(_) => Err(E::custom("moment out of range")),
    }
}

/// The keys of one object, without duplicates.
#[derive(Default)]
pub(crate) struct Keys(BTreeSet<String>);

impl Keys {
    pub(crate) fn insert<E: Error>(&mut self, key: String) -> Result<(), E> {
        if key == "__proto__" || self.0.len() >= KEYS_MAX || !self.0.insert(key) {
            return Err(E::custom("key doubled, poisonous or one too many"));
        }
        Ok(())
    }
}

/// `aud`: one string, or a list; its values are checked later.
struct Audience;

/// Most audiences of one token.
const AUDIENCES_MAX: usize = 8;

impl<'de> DeserializeSeed<'de> for Audience {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Audience {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("one audience or a list")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![String::from(text)])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut audiences = Vec::new();
        while let Some(audience) = items.next_element::<String>()? {
            if audiences.len() >= AUDIENCES_MAX || audiences.contains(&audience) {
                return Err(A::Error::custom("too many audiences, or one twice"));
            }
            audiences.push(audience);
        }
        if audiences.is_empty() { Err(A::Error::custom("no audience")) } else { Ok(audiences) }
    }
}

/// The roles that a claim lists, by the path of the claim; only lists of strings count.
pub(crate) fn listed_roles(claims: &Value, path: &[String]) -> Vec<String> {
    let listed = member(claims, path).and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(String::from).collect()
}

/// Skips a claim that is not read; it still has to be valid, because other programs may read it.
pub(crate) struct Unread {
    pub(crate) depth_left: u8,
}

impl Unread {
    fn inner<E: Error>(&self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Unread {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unread {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inner()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Keys::default();
        while let Some(key) = map.next_key::<String>()? {
            keys.insert(key)?;
            map.next_value_seed(self.inner()?)?;
        }
        Ok(())
    }
}
