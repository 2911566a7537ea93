//! Typed payloads: what a JSON text must be to become a value, and which field it is not.
//! Never: a coercion, a type's name or a value in what the peer is told.

use portcullis_model::Denial;
use serde::de::DeserializeOwned;

use crate::json;

/// Reads an HTTP body: UTF-8, sound JSON, an object, of the type; names the field at fault.
///
/// # Errors
/// [`Denial::Json`] when it is no JSON within the limits, [`Denial::Schema`] when it is another
/// object than the type asks for; only a name in `fields` is ever told.
pub fn read_json<T: DeserializeOwned>(
    bytes: &[u8],
    fields: &'static [&'static str],
) -> Result<T, Denial> {
    let text = std::str::from_utf8(bytes).map_err(|_| Denial::Json("utf8"))?;
    json::scan(text)?;
    read(text, fields)
}

/// Reads an object out of text that has passed [`json::scan`].
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    fields: &'static [&'static str],
) -> Result<T, Denial> {
    // serde takes an array for a struct, field by field; a client means an object or is wrong.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Denial::Schema { field: None, rule: "object" });
    }
    // Where it went wrong is looked for only once it has: following the path costs more than
    // reading.
    serde_json::from_str(text).or_else(|_| read_again(text, fields))
}

fn read_again<T: DeserializeOwned>(
    text: &str,
    fields: &'static [&'static str],
) -> Result<T, Denial> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let message = error.inner().to_string();
        let missing = message.strip_prefix("missing field `").and_then(|rest| {
            let name = rest.split('`').next()?;
            allowed(name, fields)
        });
        let rule = rule_of(&message);
        Denial::Schema { field: missing.or_else(|| field_at(error.path(), fields)), rule }
    })
}

/// The innermost name on the path that may be told.
fn field_at(
    path: &serde_path_to_error::Path,
    fields: &'static [&'static str],
) -> Option<&'static str> {
    let mut names = path.iter().filter_map(|segment| match segment {
        serde_path_to_error::Segment::Map { key } => allowed(key, fields),
        _ => None,
    });
    names.next_back()
}

fn allowed(name: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    fields.iter().copied().find(|field| *field == name)
}

/// One word for the operator, out of what serde says.
fn rule_of(message: &str) -> &'static str {
    let words = [
        ("missing field", "missing"),
        ("unknown field", "unknown_field"),
        ("unknown variant", "choice"),
        ("invalid type", "type"),
    ];
    words.iter().find(|(start, _)| message.starts_with(start)).map_or("value", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use portcullis_model::{MessageId, RoomId};
    use serde::Deserialize;

    use super::*;
    use crate::field;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Payload {
        #[serde(deserialize_with = "field::room_id")]
        room_id: RoomId,
        #[serde(deserialize_with = "field::text::<_, 8>")]
        message: String,
        #[serde(default, deserialize_with = "field::optional_message_id")]
        reply_to: Option<MessageId>,
        #[serde(default, deserialize_with = "field::optional")]
        limit: Option<u32>,
        #[serde(default, deserialize_with = "field::optional")]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Inner {
        deep: bool,
    }

    const FIELDS: &[&str] = &["roomId", "message", "replyTo", "limit", "deep"];

    fn check(text: &str, expect: &str) {
        let seen = match read_json::<Payload>(text.as_bytes(), FIELDS) {
            Ok(_) => String::from("ok"),
            Err(denial) => {
                assert_eq!(denial.answer().code, "INVALID_MESSAGE", "{text}");
                format!("{} {}", denial.reason(), denial.field().unwrap_or("-"))
            }
        };
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn t_110_nothing_is_coerced_and_the_field_is_named() {
        check(r#"{"roomId":"r","message":"hi"}"#, "ok");
        check(r#" {"message":"\u0068i","roomId":"r","replyTo":"m","limit":3} "#, "ok");
        check(r#"{"roomId":"r","message":"hi","inner":{"deep":true}}"#, "ok");
        let cases = [
            ("null", "object -"),
            ("[]", "object -"),
            ("[[]]", "object -"),
            (r#"["r","hi"]"#, "object -"),
            (r#""hi""#, "object -"),
            ("1", "object -"),
            ("{}", "missing roomId"),
            (r#"{"roomId":"r"}"#, "missing message"),
            (r#"{"roomId":1,"message":"hi"}"#, "type roomId"),
            (r#"{"roomId":null,"message":"hi"}"#, "type roomId"),
            (r#"{"roomId":["r"],"message":"hi"}"#, "type roomId"),
            (r#"{"roomId":"","message":"hi"}"#, "value roomId"),
            (r#"{"roomId":"../x","message":"hi"}"#, "value roomId"),
            (r#"{"roomId":"r ","message":"hi"}"#, "value roomId"),
            (r#"{"roomId":"r","message":7}"#, "type message"),
            (r#"{"roomId":"r","message":"123456789"}"#, "value message"),
            (r#"{"roomId":"r","message":{"toString":"x"}}"#, "type message"),
            (r#"{"roomId":"r","message":"hi","replyTo":null}"#, "type replyTo"),
            (r#"{"roomId":"r","message":"hi","limit":null}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","limit":1.0}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","limit":"1"}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","limit":-1}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","limit":4294967296}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","inner":{"deep":1}}"#, "type deep"),
            (r#"{"roomId":"r","message":"hi","inner":{}}"#, "missing deep"),
            (r#"{"roomId":"r","message":"hi","admin":true}"#, "unknown_field -"),
            (r#"{"roomId":"r","message":"hi","toString":1}"#, "unknown_field -"),
            (r#"{"roomId":"r","message":"hi","$where":1}"#, "unknown_field -"),
            (r#"{"roomId":"r","message":"hi","inner.deep":1}"#, "unknown_field -"),
            (r#"{"roomId":"r","message":"hi","__proto__":{}}"#, "forbidden_key -"),
            (r#"{"roomId":"r","roomId":"r","message":"hi"}"#, "duplicate_key -"),
            (r#"{"roomId":"r","message":"hi"}x"#, "trailing -"),
            ("", "grammar -"),
        ];
        for (text, expect) in cases {
            check(text, expect);
        }
        let utf8 = read_json::<Payload>(b"{\"roomId\":\"\xc0\xaf\"}", FIELDS);
        assert_eq!(utf8.err(), Some(Denial::Json("utf8")));
    }

    #[test]
    fn t_119_only_declared_names_are_told() {
        let text = br#"{"roomId":1,"message":"hi"}"#;
        let refused = read_json::<Payload>(text, &["message"]).err();
        assert_eq!(refused, Some(Denial::Schema { field: None, rule: "type" }));
        let refused = read_json::<Payload>(b"{}", &[]).err();
        assert_eq!(refused, Some(Denial::Schema { field: None, rule: "missing" }));
    }
}
