//! Reads a JSON text as a typed payload, and names the field that does not match.
//! Never: a coercion; the name of a type or a value in the answer to the client.
//!
//! Libraries write absent members as `null` and whole numbers as `1.0`. Neither is a coercion: an
//! optional member that is `null` is absent, and a number that is whole is an integer.

use portcullis_model::limits::INTEGER_MAX;
use portcullis_model::{Denial, MemberName};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::payload::json;

/// Reads an HTTP body as an object of a type; names the field at fault.
///
/// Give the type `deny_unknown_fields`: unlike the types of events, it is not checked at the start.
/// A field of type [`crate::Sealed`] is not sealed here.
///
/// # Errors
/// [`Denial::Json`] when it is not JSON within the limits, [`Denial::Schema`] when it does not
/// match the type, [`Denial::UnknownMember`] when it has a member that the type does not have. Only
/// that name, and names in `fields`, are reported.
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
    check_object(text)?;
    // Where it went wrong is looked for only once it has: following the path costs more than
    // reading.
    serde_json::from_str(text).or_else(|_| read_again(text, fields))
}

/// serde takes an array for a struct, field by field; a client means an object or is wrong.
pub(crate) fn check_object(text: &str) -> Result<(), Denial> {
    let is_object = text.trim_ascii_start().starts_with('{');
    if is_object { Ok(()) } else { Err(Denial::Schema { field: None, rule: "object" }) }
}

/// Members that are taken as absent because they are `null`, one reading each.
const NULLS_MAX: usize = 16;

/// Reads whole numbers as integers and `null` as absent; then reports the fault.
fn read_again<T: DeserializeOwned>(
    text: &str,
    fields: &'static [&'static str],
) -> Result<T, Denial> {
    read_out(read_value(text)?, fields, &[])
}

/// Any value, with whole numbers as integers; the text has passed the scan.
pub(crate) fn read_value(text: &str) -> Result<Value, Denial> {
    serde_json::from_str(&make_whole(text)).map_err(|_| Denial::Json("grammar"))
}

/// Reads a type out of a value; `null` is absent. Of undeclared members inside the sealed fields at
/// these pointers the name is not reported: it can be part of the secret.
pub(crate) fn read_out<T: DeserializeOwned>(
    mut value: Value,
    fields: &'static [&'static str],
    sealed: &[&str],
) -> Result<T, Denial> {
    let mut nulls = 0;
    loop {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let is_null = message.starts_with("invalid type: null") && nulls < NULLS_MAX;
        if !is_null || !remove(&mut value, error.path()) {
            return Err(denial(&message, error.path(), fields, sealed));
        }
        nulls += 1;
    }
}

/// Writes every number that is whole as an integer; the text has passed the scan.
///
/// The number is read from the text: serde rounds the sixteenth digit of a fraction.
fn make_whole(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| letter == '"' || is_of_number(letter)) {
        let (before, from_here) = rest.split_at_checked(at).unwrap_or((rest, ""));
        written.push_str(before);
        let is_string = from_here.starts_with('"');
        let length = if is_string { string_length(from_here) } else { number_length(from_here) };
        let (token, behind) = from_here.split_at_checked(length).unwrap_or((from_here, ""));
        match whole(token).filter(|_| !is_string) {
            Some(whole) => written.push_str(&whole.to_string()),
            None => written.push_str(token),
        }
        rest = behind;
    }
    written.push_str(rest);
    written
}

fn is_of_number(letter: char) -> bool {
    letter.is_ascii_digit() || letter == '-'
}

fn number_length(text: &str) -> usize {
    let of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().position(|byte| !of_number(byte)).unwrap_or(text.len())
}

/// The length of a string with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = true;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |at| at + 1)
}

/// The integer that a number with a fraction or an exponent is.
fn whole(number: &str) -> Option<i64> {
    let exact: f64 = number.contains(['.', 'e', 'E']).then(|| number.parse().ok()).flatten()?;
    // A negative zero is not an integer.
    let is_zero = exact == 0.0 && exact.is_sign_negative();
    let is_whole = exact.fract() == 0.0 && exact.abs() <= INTEGER_MAX as f64 && !is_zero;
    is_whole.then(|| format!("{exact:.0}").parse().ok()).flatten()
}

/// Takes out the member at the end of a path; `false` when there is none that is `null`.
fn remove(value: &mut Value, path: &Path) -> bool {
    let mut here = value;
    let mut segments = path.iter().peekable();
    while let Some(segment) = segments.next() {
        let next = match (segment, here) {
            (Segment::Map { key }, Value::Object(members)) => {
                if segments.peek().is_none() {
                    let is_null = members.get(key).is_some_and(Value::is_null);
                    return is_null && members.remove(key).is_some();
                }
                members.get_mut(key)
            }
            (Segment::Seq { index }, Value::Array(items)) => items.get_mut(*index),
            _ => None,
        };
        match next {
            Some(inner) => here = inner,
            None => return false,
        }
    }
    false
}

fn denial(message: &str, path: &Path, fields: &'static [&'static str], sealed: &[&str]) -> Denial {
    if let Some(name) = unknown_member(message) {
        if sealed.iter().any(|pointer| is_within(path, pointer)) {
            return Denial::Schema { field: field_at(path, fields), rule: "undeclared" };
        }
        return Denial::UnknownMember(MemberName::new(name));
    }
    let missing = message.strip_prefix("missing field `").and_then(|rest| {
        let name = rest.split('`').next()?;
        allowed(name, fields)
    });
    let rule = rule_of(message);
    Denial::Schema { field: missing.or_else(|| field_at(path, fields)), rule }
}

/// The undeclared name, which may hold any text; only declared names follow it in the message.
fn unknown_member(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    let end = rest.rfind("`, expected ").or_else(|| rest.rfind("`, there are no fields"))?;
    rest.get(..end)
}

/// Whether a path leads through the field at a JSON pointer (RFC 6901).
fn is_within(path: &Path, pointer: &str) -> bool {
    let mut segments = path.iter();
    pointer.split('/').skip(1).all(|name| {
        let name = name.replace("~1", "/").replace("~0", "~");
        matches!(segments.next(), Some(Segment::Map { key }) if *key == name)
    })
}

/// The innermost name on the path that may be reported.
fn field_at(path: &Path, fields: &'static [&'static str]) -> Option<&'static str> {
    let mut names = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => allowed(key, fields),
        _ => None,
    });
    names.next_back()
}

fn allowed(name: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    fields.iter().copied().find(|field| *field == name)
}

/// One word for the operator, from the error of serde.
fn rule_of(message: &str) -> &'static str {
    let words =
        [("missing field", "missing"), ("unknown variant", "choice"), ("invalid type", "type")];
    words.iter().find(|(start, _)| message.starts_with(start)).map_or("value", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use portcullis_model::{MessageId, RoomId};
    use serde::Deserialize;

    use super::*;
    use crate::payload::field;

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
    fn t_110_values_are_not_coerced_and_the_field_is_named() {
        check(r#"{"roomId":"r","message":"hi"}"#, "ok");
        check(r#" {"message":"\u0068i","roomId":"r","replyTo":"m","limit":3} "#, "ok");
        check(r#"{"roomId":"r","message":"hi","inner":{"deep":true}}"#, "ok");
        check(r#"{"roomId":"r","message":"hi","replyTo":null,"limit":null,"inner":null}"#, "ok");
        check(r#"{"roomId":"r","message":"hi","limit":1.0}"#, "ok");
        check(r#"{"roomId":"r","message":"hi","limit":2e1,"replyTo":null}"#, "ok");
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
            (r#"{"roomId":null,"message":"hi"}"#, "missing roomId"),
            (r#"{"roomId":["r"],"message":"hi"}"#, "type roomId"),
            (r#"{"roomId":"","message":"hi"}"#, "value roomId"),
            (r#"{"roomId":"../x","message":"hi"}"#, "value roomId"),
            (r#"{"roomId":"r ","message":"hi"}"#, "value roomId"),
            (r#"{"roomId":"r","message":7}"#, "type message"),
            (r#"{"roomId":"r","message":"123456789"}"#, "value message"),
            (r#"{"roomId":"r","message":{"toString":"x"}}"#, "type message"),
            (r#"{"roomId":"r","message":"hi","limit":1.5}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","limit":-1.0}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","limit":1e10}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","limit":9e15}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","limit":1e300}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","limit":[null]}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","admin":null}"#, "unknown_field admin"),
            (r#"{"roomId":"r","message":null,"admin":null}"#, "unknown_field admin"),
            (r#"{"roomId":"r","message":"hi","limit":"1"}"#, "type limit"),
            (r#"{"roomId":"r","message":"hi","limit":-1}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","limit":4294967296}"#, "value limit"),
            (r#"{"roomId":"r","message":"hi","inner":{"deep":1}}"#, "type deep"),
            (r#"{"roomId":"r","message":"hi","inner":{}}"#, "missing deep"),
            (r#"{"roomId":"r","message":"hi","admin":true}"#, "unknown_field admin"),
            (r#"{"roomId":"r","message":"hi","toString":1}"#, "unknown_field toString"),
            (r#"{"roomId":"r","message":"hi","$where":1}"#, "unknown_field $where"),
            (r#"{"roomId":"r","message":"hi","inner.deep":1}"#, "unknown_field inner.deep"),
            (r#"{"roomId":"r","message":"hi","inner":{"deep":true,"x":1}}"#, "unknown_field x"),
            (r#"{"roomId":"r","message":"hi","`, expected `a":1}"#, "unknown_field `, expected `a"),
            (r#"{"roomId":"r","message":"hi","a\n\u202e":1}"#, "unknown_field a\\u{a}\\u{202e}"),
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

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain {
        count: u32,
        #[serde(default)]
        offset: i64,
        #[serde(default)]
        share: f64,
        name: Option<String>,
        #[serde(default)]
        inner: Vec<Plain>,
    }

    #[test]
    fn null_is_absent_and_whole_numbers_are_integers_in_any_type() {
        let plain = |count, offset| Plain { count, offset, share: 0.0, name: None, inner: vec![] };
        let cases = [
            (r#"{"count":1}"#, plain(1, 0)),
            (r#"{"count":1.0,"offset":null,"share":null,"name":null,"inner":null}"#, plain(1, 0)),
            (r#"{"count":1e2,"offset":-2.50e1}"#, plain(100, -25)),
            (r#"{"count":0.0,"offset":9007199254740991.0}"#, plain(0, 9_007_199_254_740_991)),
            (
                r#"{"count":1,"name":"1.0 \" 2e1 \\","offset":3.0}"#,
                Plain { name: Some(String::from("1.0 \" 2e1 \\")), ..plain(1, 3) },
            ),
            (r#"{"count":1,"share":2.0}"#, Plain { share: 2.0, ..plain(1, 0) }),
            (
                r#"{"count":1,"inner":[{"count":2.0,"offset":null}]}"#,
                Plain { inner: vec![plain(2, 0)], ..plain(1, 0) },
            ),
        ];
        for (text, expect) in cases {
            assert_eq!(read_json::<Plain>(text.as_bytes(), &[]), Ok(expect), "{text}");
        }
        for text in [
            r#"{"count":null}"#,
            r#"{"count":1.5}"#,
            r#"{"count":1,"inner":[null]}"#,
            r#"{"count":-0}"#,
            r#"{"count":-0.0}"#,
        ] {
            assert!(read_json::<Plain>(text.as_bytes(), &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn t_119_only_declared_names_are_reported() {
        let text = br#"{"roomId":1,"message":"hi"}"#;
        let refused = read_json::<Payload>(text, &["message"]).err();
        assert_eq!(refused, Some(Denial::Schema { field: None, rule: "type" }));
        let refused = read_json::<Payload>(b"{}", &[]).err();
        assert_eq!(refused, Some(Denial::Schema { field: None, rule: "missing" }));
    }
}
