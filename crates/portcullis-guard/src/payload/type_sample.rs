//! Sample values of scalar types, for elements before the value that is walked.
//! Never: a struct, a list with elements, or a value that a strict type is sure to accept.

use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::payload::type_walk::ProbeError;

/// Makes the methods of a reader that return one fixed value each: those given, and all for
/// numbers, booleans and characters.
macro_rules! scalars {
    (@only $($method:ident => $visit:ident($($value:expr)?);)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
            visitor.$visit($($value)?)
        })*
    };
    ($($methods:tt)*) => {
        scalars! { @only
            $($methods)*
            deserialize_bool => visit_bool(false);
            deserialize_i8 => visit_i8(0);
            deserialize_i16 => visit_i16(0);
            deserialize_i32 => visit_i32(0);
            deserialize_i64 => visit_i64(0);
            deserialize_i128 => visit_i128(0);
            deserialize_u8 => visit_u8(0);
            deserialize_u16 => visit_u16(0);
            deserialize_u32 => visit_u32(0);
            deserialize_u64 => visit_u64(0);
            deserialize_u128 => visit_u128(0);
            deserialize_f32 => visit_f32(0.0);
            deserialize_f64 => visit_f64(0.0);
            deserialize_char => visit_char('a');
        }
    };
}
pub(crate) use scalars;

/// A small value of any scalar type; nothing else.
pub(crate) struct Sample;

impl<'de> Deserializer<'de> for Sample {
    type Error = ProbeError;

    scalars! {
        deserialize_any => visit_str("a");
        deserialize_unit => visit_unit();
        deserialize_option => visit_none();
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        let variant = variants.first().copied().ok_or(ProbeError::Stop)?;
        visitor.visit_enum(variant.into_deserializer())
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
