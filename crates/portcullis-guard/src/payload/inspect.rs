//! Reads a payload type along every path when its event is declared.
//! Never: a message of a client; types are read with made-up values.

use serde::de::DeserializeOwned;

use crate::payload::open_type::OpenType;
use crate::payload::sealed;
use crate::payload::type_probe::Probe;
use crate::payload::type_walk::{TypeFacts, Walk};

/// Reads a payload type along every path.
///
/// # Errors
/// The first [`OpenType`] that is found.
pub(crate) fn inspect<E: DeserializeOwned>() -> Result<TypeFacts, OpenType> {
    let mut walk = Walk::default();
    loop {
        // The fields that are sealed read as they do in an event.
        drop(sealed::collect(|| run::<E>(&mut walk)));
        if let Some(fault) = walk.take_fault() {
            return Err(fault);
        }
        if !walk.advance() {
            return Ok(walk.into_facts());
        }
    }
}

/// Reads the type once, along the script of the walk.
fn run<E: DeserializeOwned>(walk: &mut Walk) {
    walk.start_run();
    let outcome = E::deserialize(Probe { walk: &mut *walk }).map(drop);
    walk.end_run(&outcome);
}

#[cfg(test)]
mod tests {
    #![expect(dead_code, reason = "only serde reads these types")]

    use std::collections::HashMap;

    use portcullis_model::{RoomId, UserId};
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::{Attachment, field};

    macro_rules! types {
        ($($item:item)*) => { $(#[derive(Deserialize)] $item)* };
    }

    types! {
        #[serde(deny_unknown_fields)]
        struct ClosedStruct { text: String }
        struct Open { text: String }
        #[serde(deny_unknown_fields)]
        struct ClosedEmpty {}
        struct OpenEmpty {}
        #[serde(deny_unknown_fields)]
        struct Within<T> {
            #[serde(deserialize_with = "field::room_id")]
            room: RoomId,
            #[serde(default, deserialize_with = "field::optional_user_id")]
            user: Option<UserId>,
            image: Attachment,
            inner: T,
        }
        #[serde(deny_unknown_fields)]
        struct Tree { name: String, children: Vec<Tree> }
        #[serde(deny_unknown_fields)]
        struct OpenTree { children: Vec<OpenTree>, leaf: Open }
        #[serde(deny_unknown_fields)]
        enum ClosedEnum {
            Unit, Tuple(u8, ClosedStruct), Struct { text: String }, New(ClosedStruct),
        }
        enum OpenVariant { Unit, Struct { text: String } }
        #[serde(deny_unknown_fields)]
        enum OpenInside { Unit, New(Option<Open>) }
        #[serde(tag = "kind", deny_unknown_fields)]
        enum ClosedTagged { Struct { text: String }, New(ClosedStruct), Empty {} }
        #[serde(tag = "kind")]
        enum OpenTagged { Struct { text: String } }
        #[serde(tag = "kind", deny_unknown_fields)]
        enum UnitTagged { Struct { text: String }, Unit }
        #[serde(tag = "kind", content = "value", deny_unknown_fields)]
        enum ClosedAdjacent { One(ClosedStruct), Two { text: String }, Three }
        #[serde(tag = "kind", content = "value")]
        enum OpenAdjacent { One(ClosedStruct) }
        #[serde(tag = "kind", content = "value", deny_unknown_fields)]
        enum OpenInAdjacent { One(ClosedStruct), Two(Open) }
        #[serde(tag = "kind", deny_unknown_fields)]
        enum OtherTagged { Struct { text: String }, #[serde(other)] Rest }
        struct Unit;
        struct Tuple(u8, ClosedStruct);
        struct Name(String);
        #[serde(untagged)]
        enum Scalar { Number(u64), Text(String) }
        #[serde(untagged)]
        enum OpenUntagged { Number(u64), Any(HashMap<String, Value>) }
        #[serde(deny_unknown_fields)]
        struct Flat { #[serde(flatten)] inner: ClosedStruct }
        #[serde(transparent)]
        struct Transparent { inner: Open }
        #[serde(deny_unknown_fields)]
        struct SkippedField { #[serde(skip)] inner: Option<Unread>, text: String }
        #[serde(try_from = "Open")]
        struct ConvertedType {}
    }

    struct Unread;

    impl TryFrom<Open> for ConvertedType {
        type Error = String;
        fn try_from(_: Open) -> Result<Self, String> {
            Err(String::from("never"))
        }
    }

    fn check<E: DeserializeOwned>(expect: &str) {
        let name = std::any::type_name::<E>();
        match inspect::<E>() {
            Ok(_) => assert_eq!("", expect, "{name} was taken for closed"),
            Err(open) => assert_eq!(open.name, expect, "{name}: {open}"),
        }
    }

    #[test]
    fn closed_types_are_accepted() {
        check::<ClosedStruct>("");
        check::<ClosedEmpty>("");
        check::<Within<ClosedStruct>>("");
        check::<Within<Option<Vec<ClosedStruct>>>>("");
        check::<Within<(u8, ClosedStruct)>>("");
        check::<Within<HashMap<String, ClosedStruct>>>("");
        check::<Within<Value>>("");
        check::<Within<Scalar>>("");
        check::<Within<std::time::Duration>>("");
        check::<Within<std::net::IpAddr>>("");
        check::<Tree>("");
        check::<ClosedEnum>("");
        check::<ClosedTagged>("");
        check::<Within<ClosedTagged>>("");
        check::<ClosedAdjacent>("");
        check::<SkippedField>("");
    }

    #[test]
    fn open_types_are_found_at_any_depth_and_named() {
        check::<Open>("struct Open");
        check::<OpenEmpty>("struct OpenEmpty");
        check::<Within<Open>>("struct Open");
        check::<Within<Option<Open>>>("struct Open");
        check::<Within<Option<Vec<Open>>>>("struct Open");
        check::<Within<[Open; 2]>>("struct Open");
        check::<Within<(u8, Open)>>("struct Open");
        check::<Within<HashMap<String, Open>>>("struct Open");
        check::<Within<Box<Within<Open>>>>("struct Open");
        check::<OpenTree>("struct Open");
        check::<OpenVariant>("struct variant OpenVariant::Struct");
        check::<OpenInside>("struct Open");
        check::<OpenTagged>("variant Struct of internally tagged enum OpenTagged");
        check::<Within<OpenTagged>>("variant Struct of internally tagged enum OpenTagged");
        check::<UnitTagged>("variant Unit of internally tagged enum UnitTagged");
        check::<OtherTagged>(
            "the variant with #[serde(other)] of internally tagged enum OtherTagged",
        );
        check::<OpenAdjacent>("adjacently tagged enum OpenAdjacent");
        check::<Within<OpenInAdjacent>>("struct Open");
        check::<Within<OpenUntagged>>("/inner");
        check::<Flat>("struct Flat");
        check::<Within<Flat>>("struct Flat");
        check::<Transparent>("struct Open");
        check::<ConvertedType>("struct Open");
    }

    #[test]
    fn payload_that_is_any_value_is_rejected() {
        check::<Value>("the payload");
        check::<HashMap<String, u8>>("the payload");
        check::<Scalar>("the payload");
        check::<Option<ClosedStruct>>("");
    }

    #[test]
    fn payload_other_than_an_object_is_rejected() {
        check::<Unit>("the payload");
        check::<Tuple>("the payload");
        check::<Name>("the payload");
        check::<(u8, ClosedStruct)>("the payload");
        check::<Vec<ClosedStruct>>("the payload");
        check::<()>("the payload");
        let text = inspect::<Unit>().unwrap_err().to_string();
        assert!(text.contains("`struct Name {}`"), "{text}");
    }

    #[test]
    fn error_names_the_type_and_the_attribute() {
        let text = inspect::<Within<Open>>().unwrap_err().to_string();
        let expect = "struct Open takes members that it does not declare: add \
                      #[serde(deny_unknown_fields)] to it";
        assert_eq!(text, expect);
    }
}
