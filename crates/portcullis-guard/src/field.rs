//! Readers of single fields, for `#[serde(deserialize_with = "...")]`.
//! Never: a null read as an absent field, or a number read as text.
//!
//! An optional field takes `#[serde(default, deserialize_with = "field::optional_room_id")]`.

use std::borrow::Cow;

use portcullis_model::{IdError, MessageId, Mid, RoomId, UserId};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A room's id.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn room_id<'de, D: Deserializer<'de>>(reader: D) -> Result<RoomId, D::Error> {
    id(reader, RoomId::parse)
}

/// A user's id.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn user_id<'de, D: Deserializer<'de>>(reader: D) -> Result<UserId, D::Error> {
    id(reader, UserId::parse)
}

/// A message's id.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn message_id<'de, D: Deserializer<'de>>(reader: D) -> Result<MessageId, D::Error> {
    id(reader, MessageId::parse)
}

/// A room's id that may be left out; null is refused.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_room_id<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<RoomId>, D::Error> {
    room_id(reader).map(Some)
}

/// A user's id that may be left out; null is refused.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_user_id<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<UserId>, D::Error> {
    user_id(reader).map(Some)
}

/// A message's id that may be left out; null is refused.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_message_id<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<MessageId>, D::Error> {
    message_id(reader).map(Some)
}

/// An idempotency key that may be left out; null is refused.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_mid<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Mid>, D::Error> {
    id(reader, Mid::parse).map(Some)
}

/// Any value that may be left out; unlike `Option` alone, null is refused.
///
/// # Errors
/// What the value's own type refuses.
pub fn optional<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(reader).map(Some)
}

/// Text of at most `MAX_BYTES` bytes: `field::text::<_, 4096>`.
///
/// # Errors
/// Anything but a string, and a longer one.
pub fn text<'de, D, const MAX_BYTES: usize>(reader: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let text = string(reader)?;
    if text.len() > MAX_BYTES { Err(D::Error::custom("too long")) } else { Ok(text.into_owned()) }
}

/// Text of at most `MAX_BYTES` bytes that may be left out; null is refused.
///
/// # Errors
/// Anything but a string, and a longer one.
pub fn optional_text<'de, D, const MAX_BYTES: usize>(reader: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    text::<D, MAX_BYTES>(reader).map(Some)
}

fn id<'de, D: Deserializer<'de>, T>(
    reader: D,
    parse: impl FnOnce(&str) -> Result<T, IdError>,
) -> Result<T, D::Error> {
    parse(&string(reader)?).map_err(|_| D::Error::custom("no id"))
}

/// A string, borrowed where it holds no escape.
fn string<'de, D: Deserializer<'de>>(reader: D) -> Result<Cow<'de, str>, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Cow<'de, str>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(String::from(text)))
        }
    }
    reader.deserialize_str(Text)
}
