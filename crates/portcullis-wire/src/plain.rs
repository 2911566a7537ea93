//! The plain JSON form, for clients without a Socket.IO library.
//! Never: looks inside the payload.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::quoted;
use crate::packet_fault::PacketFault;

/// Longest `id`, in bytes of JSON: 64 and the quotes.
const ID_MAX_BYTES: usize = 66;

/// The client's id of a message: an integer or a short string, echoed unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainId<'a>(&'a str);

impl<'a> PlainId<'a> {
    /// The id as JSON.
    #[must_use]
    pub fn as_json(&self) -> &'a str {
        self.0
    }
}

/// A message from a client: `{event, data?, id?, mid?, seq?, ts?, sig?}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainMessage<'a> {
    /// The event's name, 1 to 128 of `A-Z a-z 0-9 _ : . -`.
    pub event: &'a str,
    /// The payload as JSON text.
    pub data: Option<&'a str>,
    /// Asks for an acknowledgement.
    pub id: Option<PlainId<'a>>,
    /// The idempotency key.
    pub mid: Option<&'a str>,
    /// The sequence number.
    pub seq: Option<u64>,
    /// When the client created the message by its own clock, in milliseconds since 1970.
    pub ts: Option<u64>,
    /// The client's signature.
    pub sig: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    event: &'a str,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    mid: Option<&'a str>,
    #[serde(borrow, default)]
    seq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sig: Option<&'a str>,
}

/// Reads one message.
///
/// # Errors
/// `plain` if the text is not such an object (also for unknown and repeated members), `event_name`,
/// `id`.
pub fn decode_plain(text: &str) -> Result<PlainMessage<'_>, PacketFault> {
    // serde would also accept an array of the members in order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(PacketFault("plain"));
    }
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| PacketFault("plain"))?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    let length_fits = (1..=128).contains(&wire.event.len());
    if !length_fits || !wire.event.bytes().all(allowed) {
        return Err(PacketFault("event_name"));
    }
    let id = wire.id.map(|id| read_id(id.get())).transpose()?;
    let data = wire.data.map(RawValue::get);
    let Wire { event, mid, sig, .. } = wire;
    let whole = |number: &RawValue| read_whole(number.get()).ok_or(PacketFault("plain"));
    let (seq, ts) = (wire.seq.map(whole).transpose()?, wire.ts.map(whole).transpose()?);
    Ok(PlainMessage { event, data, id, mid, seq, ts, sig })
}

/// The largest integer that every JSON parser reads exactly.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// Reads a number without sign and fraction; `1.0` and `1e2` are such numbers, too.
///
/// Reads the text itself, because serde rounds the sixteenth digit of a fraction.
fn read_whole(json: &str) -> Option<u64> {
    if json.bytes().all(|byte| byte.is_ascii_digit()) {
        return json.parse().ok();
    }
    let is_number = json.starts_with(|first: char| first.is_ascii_digit());
    let exact: f64 = is_number.then(|| json.parse().ok()).flatten()?;
    let is_whole = exact.fract() == 0.0 && exact <= WHOLE_MAX;
    is_whole.then(|| format!("{exact:.0}").parse().ok()).flatten()
}

/// Most digits of an integer id, and most bytes of one in another spelling.
const ID_DIGITS_MAX: usize = 15;
const ID_NUMBER_MAX_BYTES: usize = 24;

/// Checks an id. It is echoed unchanged, so parsers must agree about it: no escapes (a lone
/// surrogate is one), and no number that some JSON parsers round.
fn read_id(json: &str) -> Result<PlainId<'_>, PacketFault> {
    let digits = json.bytes().all(|byte| byte.is_ascii_digit());
    let spelled = json.len() <= ID_NUMBER_MAX_BYTES
        && read_whole(json).is_some_and(|number| number < 1_000_000_000_000_000);
    let integer = if digits { json.len() <= ID_DIGITS_MAX } else { spelled };
    let string = json.len() <= ID_MAX_BYTES && json.starts_with('"') && !json.contains('\\');
    if integer || string { Ok(PlainId(json)) } else { Err(PacketFault("id")) }
}

/// An event to a client. `payload_json` is one JSON value.
#[must_use]
pub fn plain_event(name: &str, payload_json: &str) -> String {
    format!(r#"{{"event":{},"data":{payload_json}}}"#, quoted(name))
}

/// The answer to a message with an `id`. `members_json` is an object, `{"ok":…}`.
#[must_use]
pub fn plain_reply(id_json: &str, members_json: &str) -> String {
    let members = members_json.strip_prefix('{').unwrap_or("}");
    let comma = if members == "}" { "" } else { "," };
    format!(r#"{{"id":{id_json}{comma}{members}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let read = decode_plain(r#"{"event":"chat:send","data":{"a":[1]},"id":"x","seq":3}"#);
        let message = read.unwrap();
        assert_eq!((message.event, message.data), ("chat:send", Some(r#"{"a":[1]}"#)));
        assert_eq!(message.id.map(|id| id.as_json()), Some("\"x\""));
        assert_eq!((message.mid, message.seq), (None, Some(3)));
    }

    #[test]
    fn null_members_are_absent_and_whole_numbers_are_integers() {
        let text =
            r#"{"event":"a","data":null,"id":null,"mid":null,"seq":1.0,"ts":1e2,"sig":null}"#;
        let message = decode_plain(text).unwrap();
        assert_eq!((message.data, message.id, message.mid, message.sig), (None, None, None, None));
        assert_eq!((message.seq, message.ts), (Some(1), Some(100)));
        let numbers = decode_plain(r#"{"event":"a","seq":null,"ts":null,"id":7.0}"#).unwrap();
        assert_eq!((numbers.seq, numbers.ts), (None, None));
        assert_eq!(numbers.id.map(|id| id.as_json()), Some("7.0"));
    }

    #[test]
    fn malformed() {
        let long_id = format!(r#"{{"event":"a","id":"{}"}}"#, "x".repeat(65));
        let long_name = format!(r#"{{"event":"{}"}}"#, "x".repeat(129));
        let deep = format!(r#"{{"event":"a","data":{}"#, "[".repeat(100_000));
        let cases = [
            ("", "plain"),
            ("[]", "plain"),
            (r#"["a",{}]"#, "plain"),
            (r#""a""#, "plain"),
            (r#"{"event":"a","id":null,"id":1}"#, "plain"),
            (r#"{"event":"\u0061"}"#, "plain"),
            (r#"{"event":"a","seq":1.5}"#, "plain"),
            (r#"{"event":"a","seq":1e300}"#, "plain"),
            (r#"{"event":"a","seq":-1.0}"#, "plain"),
            (r#"{"event":"a","data":[1,]}"#, "plain"),
            ("{\"event\":\"a\",\"id\":\"\n\"}", "plain"),
            (r#"{"data":1}"#, "plain"),
            (r#"{"event":"a","extra":1}"#, "plain"),
            (r#"{"event":"a","event":"b"}"#, "plain"),
            (r#"{"event":1}"#, "plain"),
            (r#"{"event":"a"} x"#, "plain"),
            (r#"{"event":"a","seq":-1}"#, "plain"),
            (r#"{"event":""}"#, "event_name"),
            (r#"{"event":"a b"}"#, "event_name"),
            (r#"{"event":"a","id":{}}"#, "id"),
            (r#"{"event":"a","id":1.5}"#, "id"),
            (r#"{"event":"a","id":-1}"#, "id"),
            (r#"{"event":"a","id":true}"#, "id"),
            (r#"{"event":"a","id":1000000000000000}"#, "id"),
            (r#"{"event":"a","id":"\ud800"}"#, "id"),
            (long_id.as_str(), "id"),
            (long_name.as_str(), "event_name"),
            (deep.as_str(), "plain"),
        ];
        for (text, expect) in cases {
            assert_eq!(decode_plain(text), Err(PacketFault(expect)), "{text:?}");
        }
    }

    #[test]
    fn answers() {
        assert_eq!(plain_event("a", "1"), r#"{"event":"a","data":1}"#);
        assert_eq!(plain_reply("7", r#"{"ok":true}"#), r#"{"id":7,"ok":true}"#);
        assert_eq!(plain_reply("7", "{}"), r#"{"id":7}"#);
    }

    proptest::proptest! {
        #[test]
        fn random_text_is_read_or_rejected(text in "\\PC{0,64}") {
            let _message = decode_plain(&text);
        }

        #[test]
        fn nearly_valid_text_is_read_or_rejected(
            text in r#"[ \[{]{0,2}("(event|data|id|mid|seq)"[:,]["\[{0-9a-z\\]{0,6}[,}\]"]?){0,6}"#,
        ) {
            if let Ok(message) = decode_plain(&text) {
                proptest::prop_assert!(text.contains(message.event));
            }
        }

        #[test]
        fn written_message_is_read_back(
            event in "[A-Za-z0-9_:.-]{1,128}",
            text in "\\PC{0,40}",
            id in "[ -!#-\\[\\]-~]{0,64}",
            seq in proptest::option::of(0_u64..),
        ) {
            let data = serde_json::json!({ "text": text }).to_string();
            let seq_json = seq.map_or(String::new(), |seq| format!(r#","seq":{seq}"#));
            let json = format!(r#"{{"event":"{event}","data":{data},"id":"{id}"{seq_json}}}"#);
            let message = decode_plain(&json).unwrap();
            proptest::prop_assert_eq!(message.event, event.as_str());
            proptest::prop_assert_eq!(message.data, Some(data.as_str()));
            proptest::prop_assert_eq!(message.seq, seq);
            let echoed = plain_reply(message.id.unwrap().as_json(), r#"{"ok":true}"#);
            let value: serde_json::Value = serde_json::from_str(&echoed).unwrap();
            proptest::prop_assert_eq!(&value["id"], &serde_json::Value::from(id));
        }

        #[test]
        fn any_name_is_escaped(name in "\\PC{0,20}") {
            let value: serde_json::Value =
                serde_json::from_str(&plain_event(&name, "[1]")).unwrap();
            proptest::prop_assert_eq!(&value["event"], &serde_json::Value::from(name));
        }
    }
}
