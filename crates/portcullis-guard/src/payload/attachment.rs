//! Binary attachments of a message: where its JSON names them, and that it names each once.
//! Never: a placeholder that points to missing bytes.

use portcullis_model::Denial;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// A field that holds binary data: the place of an attachment in its message.
///
/// [`crate::Permit::attachment`] gives the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    pub(crate) number: usize,
}

/// The name by which the start recognizes a field of binary data.
pub(crate) const ATTACHMENT_TYPE: &str = "portcullis.Attachment";

#[derive(Deserialize)]
#[serde(rename = "portcullis.Attachment", deny_unknown_fields)]
struct Placeholder {
    _placeholder: bool,
    num: usize,
}

impl<'de> Deserialize<'de> for Attachment {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let written = Placeholder::deserialize(reader)?;
        if !written._placeholder {
            return Err(D::Error::custom("no placeholder"));
        }
        Ok(Self { number: written.num })
    }
}

/// Checks that a message names each of its attachments exactly once, and nothing else as one.
///
/// `text` has passed the JSON scan, so its depth and size are bounded. It is read as values,
/// because a name can contain escapes.
///
/// # Errors
/// [`Denial::Packet`] `placeholder`: the connection ends (T-196).
pub(crate) fn check_placeholders(text: &str, attachments: usize) -> Result<(), Denial> {
    let fault = || Denial::Packet("placeholder");
    let root: Value = serde_json::from_str(text).map_err(|_| fault())?;
    let mut named = vec![false; attachments];
    let mut rest = vec![&root];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(members) if members.contains_key("_placeholder") => {
                let written: Placeholder =
                    serde_json::from_value(value.clone()).map_err(|_| fault())?;
                let slot = named.get_mut(written.num).ok_or_else(fault)?;
                if !written._placeholder || std::mem::replace(slot, true) {
                    return Err(fault());
                }
            }
            Value::Object(members) => rest.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    if named.iter().all(|named| *named) { Ok(()) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_196_placeholders_name_each_attachment_once() {
        let at = |num: &str| format!(r#"["e",{{"_placeholder":true,"num":{num}}}]"#);
        let two =
            r#"["e",{"a":{"_placeholder":true,"num":1},"b":[{"_placeholder":true,"num":0}]}]"#;
        let escaped = r#"["e",{"\u005fplaceholder":true,"num":0}]"#;
        let cases = [
            (r#"["e",{}]"#.to_owned(), 0, true),
            (at("0"), 1, true),
            (two.to_owned(), 2, true),
            (escaped.to_owned(), 1, true),
            (escaped.to_owned(), 0, false),
            (at("0"), 0, false),
            (at("0"), 2, false),
            (at("1"), 1, false),
            (at("-1"), 1, false),
            (at("1000000000"), 1, false),
            (at("0.5"), 1, false),
            (at("\"0\""), 1, false),
            (at("null"), 1, false),
            (r#"["e",{"_placeholder":true}]"#.to_owned(), 1, false),
            (r#"["e",{"_placeholder":false,"num":0}]"#.to_owned(), 1, false),
            (r#"["e",{"_placeholder":1,"num":0}]"#.to_owned(), 1, false),
            (r#"["e",{"_placeholder":true,"num":0,"x":1}]"#.to_owned(), 1, false),
            (r#"["e",{"num":0}]"#.to_owned(), 1, false),
            (two.replace("1", "0"), 2, false),
        ];
        for (text, attachments, expect) in cases {
            assert_eq!(check_placeholders(&text, attachments).is_ok(), expect, "{text}");
        }
    }
}
