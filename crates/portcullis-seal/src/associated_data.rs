//! The place of a sealed value, as bytes that no other place has.
//! Never: the value itself.

use crate::key_id::KeyId;

/// Longest tenant, record or field, in bytes.
pub const PLACE_PART_MAX_BYTES: usize = 1024;

/// The place of a sealed value; the value opens only there.
///
/// The record names its table or kind if several tables share ids (`room-7/message-12`). It also
/// names the owner or room, if there is one: values can be swapped between equal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The owner of the data.
    pub tenant: &'a str,
    /// The row, unique within the tenant.
    pub record: &'a str,
    /// The column.
    pub field: &'a str,
}

impl Place<'_> {
    /// The associated data: version, key id, tenant, record, field.
    ///
    /// Each part follows its length, so that no two places have the same bytes. `None` if a part is
    /// longer than [`PLACE_PART_MAX_BYTES`].
    pub(crate) fn associated_data(&self, version: u8, key_id: KeyId) -> Option<Vec<u8>> {
        let version = [version];
        let parts: [&[u8]; 5] = [
            &version,
            key_id.as_bytes(),
            self.tenant.as_bytes(),
            self.record.as_bytes(),
            self.field.as_bytes(),
        ];
        let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 2).sum());
        for part in parts {
            if part.len() > PLACE_PART_MAX_BYTES {
                return None;
            }
            data.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            data.extend_from_slice(part);
        }
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: KeyId = KeyId::from_bytes([7; 8]);

    fn data(tenant: &str, record: &str, field: &str) -> Option<Vec<u8>> {
        Place { tenant, record, field }.associated_data(1, ID)
    }

    #[test]
    fn associated_data_has_the_documented_bytes() {
        let expect = b"\0\x01\x01\0\x08\x07\x07\x07\x07\x07\x07\x07\x07\0\x01t\0\x02re\0\0";
        assert_eq!(data("t", "re", "").unwrap(), expect);
    }

    #[test]
    fn place_with_a_too_long_part_has_no_associated_data() {
        let (fits, long) = ("x".repeat(PLACE_PART_MAX_BYTES), "x".repeat(PLACE_PART_MAX_BYTES + 1));
        assert!(data(&fits, &fits, &fits).is_some());
        for (tenant, record, field) in [(&*long, "", ""), ("", &*long, ""), ("", "", &*long)] {
            assert_eq!(data(tenant, record, field), None);
        }
    }

    proptest! {
        // Short parts of few letters collide at once wherever an encoding lets them.
        #[test]
        fn different_places_have_different_bytes(
            one in ("[ab\0]{0,3}", "[ab\0]{0,3}", "[ab\0]{0,3}"),
            two in ("[ab\0]{0,3}", "[ab\0]{0,3}", "[ab\0]{0,3}"),
        ) {
            let same = data(&one.0, &one.1, &one.2) == data(&two.0, &two.1, &two.2);
            prop_assert_eq!(same, one == two);
        }
    }
}
