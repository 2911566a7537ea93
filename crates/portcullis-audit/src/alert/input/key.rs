//! The key of a rule, in the form of a note and in the form for people.
//! Never: a text of a client that is longer than 64 characters.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_model::ConnectionId;

use super::note::{Flag, Note, Text};
use crate::alert::notification::AlertKey;
use crate::record::client_text;

/// The kind of key of a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeyKind {
    /// All records together.
    All,
    /// The user.
    User,
    /// The user who acts, or the operator when none is named.
    Actor,
    /// The user name of a login.
    Name,
    /// The address prefix: an IPv4 address or an IPv6 /64.
    Prefix,
    /// The user when one is known, else the prefix.
    Party,
    /// The origin.
    Origin,
    /// The room.
    Room,
    /// The connection.
    Connection,
    /// The event of a handler, or the rule when no event is named.
    Handler,
    /// The key that opens sealed fields.
    SealKey,
    /// The rule of the record: a sink, a table.
    Sink,
    /// The code.
    Code,
}

impl KeyKind {
    /// Kinds that the configuration can name.
    pub(crate) const CONFIGURABLE: [Self; 7] = [
        Self::All,
        Self::User,
        Self::Name,
        Self::Prefix,
        Self::Origin,
        Self::Room,
        Self::Connection,
    ];

    /// The word in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::User => "user",
            Self::Actor => "actor",
            Self::Name => "name",
            Self::Prefix => "prefix",
            Self::Party => "party",
            Self::Origin => "origin",
            Self::Room => "room",
            Self::Connection => "connection",
            Self::Handler => "handler",
            Self::SealKey => "key",
            Self::Sink => "sink",
            Self::Code => "code",
        }
    }

    /// The texts of a note that it reads.
    pub(crate) fn texts(self) -> u8 {
        match self {
            Self::All | Self::Prefix | Self::Connection | Self::Sink | Self::Code => 0,
            Self::User | Self::Party => Text::User.bit(),
            Self::Actor => Text::User.bit() | Text::Name.bit(),
            Self::Name => Text::Name.bit(),
            Self::Origin => Text::Origin.bit(),
            Self::Room => Text::Room.bit(),
            Self::Handler | Self::SealKey => Text::Object.bit(),
        }
    }

    /// The value in a note; `None` when the record does not have it.
    pub(crate) fn of<'b>(self, note: &Note, buffer: &'b [u8]) -> Option<KeyRef<'b>> {
        let text = |kind, which| {
            note.text(which, buffer).map(|text| KeyRef { kind, value: ValueRef::Text(text) })
        };
        let prefix = || {
            let value = if note.has(Flag::V4) {
                ValueRef::V4(u32::try_from(note.prefix).unwrap_or_default())
            } else if note.has(Flag::V6) {
                ValueRef::V6(note.prefix)
            } else {
                return None;
            };
            Some(KeyRef { kind: "prefix", value })
        };
        match self {
            Self::All => Some(KeyRef { kind: "all", value: ValueRef::Text("") }),
            Self::User => text("user", Text::User),
            Self::Actor => Some(
                text("user", Text::User)
                    .or_else(|| text("name", Text::Name))
                    .unwrap_or(KeyRef { kind: "actor", value: ValueRef::Text("operator") }),
            ),
            Self::Name => text("name", Text::Name),
            Self::Prefix => prefix(),
            Self::Party => text("user", Text::User).or_else(prefix),
            Self::Origin => text("origin", Text::Origin),
            Self::Room => text("room", Text::Room),
            Self::Connection => note
                .connection()
                .map(|id| KeyRef { kind: "connection", value: ValueRef::Connection(id) }),
            Self::Handler => Some(
                text("handler", Text::Object)
                    .unwrap_or(KeyRef { kind: "rule", value: ValueRef::Text(note.rule) }),
            ),
            Self::SealKey => Some(
                text("key", Text::Object)
                    .unwrap_or(KeyRef { kind: "key", value: ValueRef::Text("unknown") }),
            ),
            Self::Sink => Some(KeyRef { kind: "sink", value: ValueRef::Text(note.rule) }),
            Self::Code => Some(KeyRef { kind: "code", value: ValueRef::Text(note.code.name()) }),
        }
    }
}

/// The value of a key, borrowed from a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyRef<'a> {
    pub(crate) kind: &'static str,
    pub(crate) value: ValueRef<'a>,
}

/// A value before it is a text: most notes are only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ValueRef<'a> {
    V4(u32),
    V6(u64),
    Connection(ConnectionId),
    Text(&'a str),
}

impl KeyRef<'_> {
    /// The key that people read; `None` for all records together.
    pub(crate) fn to_key(self) -> Option<AlertKey> {
        if self.kind == "all" {
            return None;
        }
        let mut value = self.value.to_string();
        if self.kind == "origin" {
            client_text::strip_origin(&mut value);
            client_text::mask_credentials(&mut value);
        }
        Some(AlertKey { kind: self.kind, value })
    }
}

impl<'a> KeyRef<'a> {
    /// The key that a saved alert has; the opposite of [`KeyRef::to_key`].
    pub(crate) fn of_key(key: Option<&'a AlertKey>) -> Self {
        let Some(key) = key else { return Self { kind: "all", value: ValueRef::Text("") } };
        let text = key.value.as_str();
        let value = match key.kind {
            "prefix" => parse_prefix(text),
            "connection" => parse_connection(text),
            _ => None,
        };
        Self { kind: key.kind, value: value.unwrap_or(ValueRef::Text(text)) }
    }
}

fn parse_prefix(text: &str) -> Option<ValueRef<'static>> {
    let (address, _) = text.split_once('/')?;
    match address.parse().ok()? {
        IpAddr::V4(address) => Some(ValueRef::V4(address.to_bits())),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).ok().map(ValueRef::V6),
    }
}

fn parse_connection(text: &str) -> Option<ValueRef<'static>> {
    let (shard, number) = text.split_once('-')?;
    let (shard, number) = (shard.parse().ok()?, number.parse().ok()?);
    Some(ValueRef::Connection(ConnectionId { shard, number }))
}

impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(bits) => write!(formatter, "{}/32", Ipv4Addr::from_bits(*bits)),
            Self::V6(bits) => {
                write!(formatter, "{}/64", Ipv6Addr::from_bits(u128::from(*bits) << 64))
            }
            Self::Connection(id) => write!(formatter, "{id}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// The kinds of keys that a saved alert can have.
pub(crate) const KINDS: [&str; 14] = [
    "user",
    "actor",
    "name",
    "prefix",
    "origin",
    "room",
    "connection",
    "handler",
    "rule",
    "key",
    "sink",
    "code",
    "host",
    "finding",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_saved_alert_is_the_key_of_its_notes() {
        let values = [
            ("prefix", ValueRef::V4(0xc000_0201), "192.0.2.1/32"),
            ("prefix", ValueRef::V6(0x2001_0db8_0000_0007), "2001:db8:0:7::/64"),
            ("connection", ValueRef::Connection(ConnectionId { shard: 3, number: 77 }), "3-77"),
            ("name", ValueRef::Text("ada"), "ada"),
        ];
        for (kind, value, text) in values {
            let key = KeyRef { kind, value }.to_key();
            assert_eq!(key.as_ref().map(|key| key.value.as_str()), Some(text));
            assert_eq!(KeyRef::of_key(key.as_ref()), KeyRef { kind, value });
        }
        let all = KeyRef { kind: "all", value: ValueRef::Text("") };
        assert_eq!((all.to_key(), KeyRef::of_key(None)), (None, all));
    }

    #[test]
    fn origin_of_an_alert_has_no_user_information_and_no_path() {
        let value = ValueRef::Text("https://u:secret@a.example/token");
        let key = KeyRef { kind: "origin", value }.to_key();
        assert_eq!(key.map(|key| key.value), Some(String::from("https://a.example")));
    }
}
