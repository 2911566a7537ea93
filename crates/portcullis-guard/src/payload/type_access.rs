//! Supplies members, elements and variants to a type while it is walked.
//! Never: a value for the undeclared member; a type that requests it is open.

use serde::de::value::UnitDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::payload::type_probe::Probe;
use crate::payload::type_sample::Sample;
use crate::payload::type_walk::{MemberUse, ProbeError, UNDECLARED, Walk, read_name};

/// The members of a struct, by name.
pub(crate) struct Members<'w> {
    pub(crate) walk: &'w mut Walk,
    pub(crate) left: &'w [&'static str],
    pub(crate) current: Option<&'static str>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = ProbeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ProbeError> {
        let Some((name, left)) = self.left.split_first() else { return Ok(None) };
        let read = read_name(seed, name)?;
        (self.left, self.current) = (left, Some(*name));
        if *name == UNDECLARED {
            self.walk.note_undeclared(MemberUse::Named);
        }
        Ok(Some(read))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ProbeError> {
        let name = self.current.take().ok_or(ProbeError::Stop)?;
        if name == UNDECLARED {
            self.walk.note_undeclared(MemberUse::Taken);
            return Err(ProbeError::Stop);
        }
        let place = self.walk.place();
        self.walk.step(name);
        let read = seed.deserialize(Probe { walk: &mut *self.walk })?;
        if self.left.is_empty() {
            self.walk.note_accepted();
            return Err(ProbeError::Stop);
        }
        self.walk.go_back(place);
        Ok(read)
    }
}

/// One entry of a map.
pub(crate) struct Entry<'w> {
    pub(crate) walk: &'w mut Walk,
    pub(crate) given: bool,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = ProbeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ProbeError> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(None);
        }
        seed.deserialize(Sample).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ProbeError> {
        seed.deserialize(Probe { walk: &mut *self.walk })
    }
}

/// Members that are texts, or nothing.
pub(crate) struct Texts {
    pub(crate) members: std::vec::IntoIter<(&'static str, Option<&'static str>)>,
    pub(crate) value: Option<Option<&'static str>>,
}

impl<'de> MapAccess<'de> for Texts {
    type Error = ProbeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ProbeError> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some(value);
        read_name(seed, name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ProbeError> {
        match self.value.take() {
            Some(Some(text)) => seed.deserialize(text.into_deserializer()),
            Some(None) => seed.deserialize(UnitDeserializer::new()),
            None => Err(ProbeError::Stop),
        }
    }
}

/// Elements of a list or tuple, up to the one that is walked.
pub(crate) struct Elements<'w> {
    pub(crate) walk: &'w mut Walk,
    pub(crate) at: usize,
    pub(crate) chosen: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = ProbeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ProbeError> {
        let at = self.at;
        self.at += 1;
        match at.cmp(&self.chosen) {
            std::cmp::Ordering::Less => seed.deserialize(Sample).map(Some),
            std::cmp::Ordering::Equal => {
                seed.deserialize(Probe { walk: &mut *self.walk }).map(Some)
            }
            std::cmp::Ordering::Greater => Ok(None),
        }
    }
}

/// One variant of an enum.
pub(crate) struct Variant<'w> {
    pub(crate) walk: &'w mut Walk,
    pub(crate) variant: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = ProbeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), ProbeError> {
        let read = read_name(seed, self.variant)?;
        Ok((read, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = ProbeError;

    fn unit_variant(self) -> Result<(), ProbeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, ProbeError> {
        self.walk.step(self.variant);
        seed.deserialize(Probe { walk: self.walk })
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.walk.step(self.variant);
        Probe { walk: self.walk }.tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.walk.step(self.variant);
        Probe { walk: self.walk }.structure(fields, visitor)
    }
}
