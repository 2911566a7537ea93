//! Names of users, rooms, messages and connections.
//! Never: a value that has not passed its grammar.

use std::fmt;
use std::sync::Arc;

use crate::limits::{MID_MAX_BYTES, ROOM_ID_MAX_BYTES, USER_ID_MAX_BYTES};

/// Why a text is not a valid id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// The text is empty.
    Empty,
    /// The text has more bytes than this kind of id allows.
    TooLong,
    /// A character outside `A-Z a-z 0-9 _ -`.
    Character,
}

impl fmt::Display for IdError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "the id is empty",
            Self::TooLong => "the id is longer than its kind allows",
            Self::Character => "the id has a character outside A-Z a-z 0-9 _ -",
        })
    }
}

impl std::error::Error for IdError {}

crate::debug_as_sentence!(IdError);

fn check(text: &str, max_bytes: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max_bytes {
        return Err(IdError::TooLong);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if text.bytes().all(allowed) { Ok(()) } else { Err(IdError::Character) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads an id by its exact grammar, without trimming or case folding.
            ///
            /// # Errors
            /// [`IdError`] says which rule of the grammar the text breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $max)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A room: `^[A-Za-z0-9_-]{1,64}$`. Cheap to clone.
    RoomId, ROOM_ID_MAX_BYTES
);
text_id!(
    /// A user: `^[A-Za-z0-9_-]{1,64}$`, assigned by the server. Cheap to clone.
    UserId, USER_ID_MAX_BYTES
);
text_id!(
    /// A stored message: `^[A-Za-z0-9_-]{1,64}$`, assigned by the server.
    MessageId, 64
);
text_id!(
    /// A session (`sid` of our own tokens): random, at least 128 bits, assigned by the server.
    SessionId, 64
);
text_id!(
    /// The idempotency key of a client's message, so that a retry has one effect.
    Mid, MID_MAX_BYTES
);
text_id!(
    /// The short code that a rejected client and the security record share.
    Reference, 16
);

/// A connection inside one process: its shard and its number there.
///
/// A number is never used twice while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// The shard, from zero.
    pub shard: u16,
    /// Assigned by the shard, from one upwards.
    pub number: u64,
}

impl ConnectionId {
    /// Packs the id into one integer, for layers that carry it without reading it.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        (u64::from(self.shard) << 48) | (self.number & 0xffff_ffff_ffff)
    }

    /// Unpacks [`ConnectionId::to_bits`].
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let shard = u16::try_from(bits >> 48).unwrap_or(u16::MAX);
        Self { shard, number: bits & 0xffff_ffff_ffff }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.shard, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_id_outside_its_grammar_is_rejected() {
        let long = "a".repeat(65);
        let cases = [
            ("", Err(IdError::Empty)),
            ("a", Ok(())),
            ("Team_1-b", Ok(())),
            ("../x", Err(IdError::Character)),
            ("a b", Err(IdError::Character)),
            ("caf\u{e9}", Err(IdError::Character)),
            ("a\0", Err(IdError::Character)),
            (long.as_str(), Err(IdError::TooLong)),
            (&long[..64], Ok(())),
        ];
        for (text, expect) in cases {
            assert_eq!(RoomId::parse(text).map(|_| ()), expect, "{text:?}");
        }
    }

    #[test]
    fn packed_connection_id_is_unpacked() {
        let id = ConnectionId { shard: 3, number: 77 };
        assert_eq!(ConnectionId::from_bits(id.to_bits()), id);
    }
}
