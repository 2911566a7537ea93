//! A reader that gives a type the sample values it requests, and notes which members it reads.
//! Never: a decision about the findings; `type_walk` makes it.

use serde::de::{Deserializer, Visitor};

use crate::payload::attachment::ATTACHMENT_TYPE;
use crate::payload::open_type::OpenFault;
use crate::payload::sealed::SEALED_TYPE;
use crate::payload::type_access::{Elements, Entry, Members, Texts, Variant};
use crate::payload::type_sample::scalars;
use crate::payload::type_walk::{MemberUse, ProbeError, UNDECLARED, Walk, expected};

/// Reads one value along the walk's script.
pub(crate) struct Probe<'w> {
    pub(crate) walk: &'w mut Walk,
}

impl Probe<'_> {
    /// A struct or struct variant: its undeclared member first, then each of its own.
    pub(crate) fn structure<'de, V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        let name = expected(&visitor);
        self.walk.note_object();
        self.walk.note_members(fields);
        self.walk.enter::<V>()?;
        let adjacent = name.starts_with("adjacently tagged enum");
        let ways = if adjacent { 2 } else { fields.len() + 1 };
        let (_, way) = self.walk.choose(ways);
        let members: &[&'static str] = match way {
            0 => &[UNDECLARED],
            // The content is read by the variant that the tag before it names.
            _ if adjacent => fields,
            _ => fields.get(way - 1..way).unwrap_or_default(),
        };
        let members = Members { walk: &mut *self.walk, left: members, current: None };
        let outcome = visitor.visit_map(members);
        let took = match self.walk.undeclared() {
            MemberUse::Unread => false,
            MemberUse::Named => outcome.is_ok(),
            MemberUse::Taken => true,
        };
        if way == 0 && took {
            self.walk.report(name, OpenFault::Members);
        }
        outcome
    }

    /// An enum with `#[serde(tag)]`: it says its tag, then its variants; then each is asked.
    fn tagged<'de, V: Visitor<'de>>(self, name: &str, visitor: V) -> Result<V::Value, ProbeError> {
        let (choice, way) = self.walk.choose(1);
        let facts = *self.walk.tag_facts(name);
        let undeclared = (UNDECLARED, None);
        let (members, variant) = match (facts.tag, way) {
            (None, _) | (_, 0) => (Vec::new(), None),
            (Some(tag), 1) => (vec![(tag, Some(UNDECLARED))], None),
            (Some(tag), way) => {
                let variant = facts.variants.get(way - 2).copied().ok_or(ProbeError::Stop)?;
                (vec![(tag, Some(variant)), undeclared], Some(variant))
            }
        };
        if let Some(variant) = variant {
            self.walk.ask_tagged(variant, name);
        }
        let outcome = visitor.visit_map(Texts { members: members.into_iter(), value: None });
        match &outcome {
            Err(ProbeError::MissingField(tag)) if way == 0 => {
                self.walk.tag_facts(name).tag = Some(*tag);
                self.walk.widen(choice, 2);
            }
            Err(ProbeError::UnknownVariant(variants)) if way == 1 => {
                self.walk.tag_facts(name).variants = *variants;
                self.walk.widen(choice, 2 + variants.len());
            }
            // A variant with `#[serde(other)]` has no members, and takes any.
            Ok(_) if way == 1 => {
                let variant = format!("the variant with #[serde(other)] of {name}");
                self.walk.report(variant, OpenFault::TaggedVariant);
            }
            Ok(_) | Err(_) => {}
        }
        outcome
    }

    /// Elements of a fixed number: the chosen one is walked, those before it are made up.
    pub(crate) fn tuple<'de, V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        let (_, chosen) = self.walk.choose(len.max(1));
        self.walk.step(&chosen.to_string());
        visitor.visit_seq(Elements { walk: self.walk, at: 0, chosen })
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        let name = expected(&visitor);
        self.walk.note_object();
        self.walk.note_unnamed();
        if name.starts_with("internally tagged enum") {
            return self.tagged(&name, visitor);
        }
        if self.walk.is_payload() {
            self.walk.report("the payload", OpenFault::AnyPayload);
            return Err(ProbeError::Stop);
        }
        // Derived code of an untagged enum reads its value under this name.
        if name == "any value" {
            self.walk.ask_untagged();
            let members = vec![(UNDECLARED, None)].into_iter();
            return visitor.visit_map(Texts { members, value: None });
        }
        visitor.visit_str("a")
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = ProbeError;

    scalars! {
        deserialize_str => visit_str("a");
        deserialize_string => visit_str("a");
        deserialize_bytes => visit_bytes(b"a");
        deserialize_byte_buf => visit_bytes(b"a");
        deserialize_identifier => visit_str("a");
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        self.any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        if name == SEALED_TYPE {
            self.walk.note_sealed();
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        self.walk.step("*");
        visitor.visit_seq(Elements { walk: self.walk, at: 0, chosen: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        let name = expected(&visitor);
        self.walk.note_object();
        // Derived code asks for a map where a struct has a flattened member.
        if name.starts_with("struct ") {
            self.walk.report(name, OpenFault::Flatten);
            return Err(ProbeError::Stop);
        }
        if self.walk.is_payload() {
            self.walk.report("the payload", OpenFault::AnyPayload);
            return Err(ProbeError::Stop);
        }
        self.walk.note_unnamed();
        self.walk.step("*");
        visitor.visit_map(Entry { walk: self.walk, given: false })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        if name == ATTACHMENT_TYPE {
            self.walk.note_attachment();
        }
        self.structure(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.walk.note_object();
        self.walk.note_members(variants);
        let (_, way) = self.walk.choose(variants.len().max(1));
        let variant = variants.get(way).copied().ok_or(ProbeError::Stop)?;
        visitor.visit_enum(Variant { walk: self.walk, variant })
    }
}
