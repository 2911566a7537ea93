//! Readers of single fields, for `#[serde(deserialize_with = "...")]`.
//! Never: a number read as text.
//!
//! An optional field takes `#[serde(default, deserialize_with = "field::optional_room_id")]`; it is
//! absent when it is left out and when it is null.

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

/// A room's id that may be left out or null.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_room_id<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<RoomId>, D::Error> {
    optional_id(reader, RoomId::parse)
}

/// A user's id that may be left out or null.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_user_id<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<UserId>, D::Error> {
    optional_id(reader, UserId::parse)
}

/// A message's id that may be left out or null.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_message_id<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<MessageId>, D::Error> {
    optional_id(reader, MessageId::parse)
}

/// An idempotency key that may be left out or null.
///
/// # Errors
/// Anything but a string of the id's grammar.
pub fn optional_mid<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Mid>, D::Error> {
    optional_id(reader, Mid::parse)
}

/// Any value that may be left out or null.
///
/// # Errors
/// The error of the value's own type.
pub fn optional<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(reader)
}

/// Text of at most `MAX_BYTES` bytes: `field::text::<_, 4096>`.
///
/// # Errors
/// Anything but a string, and a longer one.
pub fn text<'de, D, const MAX_BYTES: usize>(reader: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let Text(text) = Text::deserialize(reader)?;
    bounded::<D::Error, MAX_BYTES>(text)
}

/// Text of at most `MAX_BYTES` bytes that may be left out or null.
///
/// # Errors
/// Anything but a string, and a longer one.
pub fn optional_text<'de, D, const MAX_BYTES: usize>(reader: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<Text<'_>>::deserialize(reader)?;
    text.map(|Text(text)| bounded::<D::Error, MAX_BYTES>(text)).transpose()
}

fn id<'de, D: Deserializer<'de>, T>(
    reader: D,
    parse: impl FnOnce(&str) -> Result<T, IdError>,
) -> Result<T, D::Error> {
    let Text(text) = Text::deserialize(reader)?;
    parse(&text).map_err(|_| D::Error::custom("no id"))
}

fn optional_id<'de, D: Deserializer<'de>, T>(
    reader: D,
    parse: impl FnOnce(&str) -> Result<T, IdError>,
) -> Result<Option<T>, D::Error> {
    let text = Option::<Text<'_>>::deserialize(reader)?;
    text.map(|Text(text)| parse(&text).map_err(|_| D::Error::custom("no id"))).transpose()
}

fn bounded<E: Error, const MAX_BYTES: usize>(text: Cow<'_, str>) -> Result<String, E> {
    if text.len() > MAX_BYTES { Err(E::custom("too long")) } else { Ok(text.into_owned()) }
}

/// A string, borrowed where it holds no escape.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
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
