//! Payload types that take members which they do not declare, found when an event is declared.
//! Never: a client's message; types are read with made-up values.
//!
//! Found: structs, variants and enums with a tag at any depth, also in options, lists and
//! maps. Not found: a struct inside an enum with `#[serde(tag)]` or
//! `#[serde(untagged)]`, a struct in a tuple behind a type that rejects made-up values, and a
//! hand-written `Deserialize` that asks for `deserialize_any`.

use std::fmt;

/// A type that takes members which it does not declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenType {
    pub(crate) name: String,
    pub(crate) fault: OpenFault,
}

/// Why a type is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFault {
    /// A struct, a struct variant, or an enum with tag and content.
    Members,
    /// A variant of an enum with `#[serde(tag)]`.
    TaggedVariant,
    /// A struct with `#[serde(flatten)]`.
    Flatten,
    /// An enum with `#[serde(untagged)]` that took an undeclared member.
    Untagged,
    /// The payload itself is a map or any JSON value.
    AnyPayload,
    /// The payload is never a JSON object.
    NoObject,
}

impl OpenType {
    pub(crate) fn new(name: impl Into<String>, fault: OpenFault) -> Self {
        Self { name: name.into(), fault }
    }
}

impl fmt::Display for OpenType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.fault {
            OpenFault::Members => write!(
                formatter,
                "{name} takes members that it does not declare: add \
                 #[serde(deny_unknown_fields)] to it"
            ),
            OpenFault::TaggedVariant => write!(
                formatter,
                "{name} takes members that it does not declare: add \
                 #[serde(deny_unknown_fields)] to the enum, and write a variant without members \
                 as `Name {{}}`"
            ),
            OpenFault::Flatten => write!(
                formatter,
                "{name} has a member with #[serde(flatten)], which takes any member: declare its \
                 members in {name}"
            ),
            OpenFault::Untagged => write!(
                formatter,
                "{name} is an enum with #[serde(untagged)] that takes members that it does not \
                 declare: add #[serde(deny_unknown_fields)] to it and to the types in it"
            ),
            OpenFault::NoObject => write!(
                formatter,
                "{name} cannot be read from a JSON object: use a struct with named members, and \
                 `struct Name {{}}` for one without members"
            ),
            OpenFault::AnyPayload => write!(
                formatter,
                "{name} takes any members: use a struct with #[serde(deny_unknown_fields)]"
            ),
        }
    }
}
