//! The plain JSON form, for clients with nothing but a WebSocket.
//! Never: looks inside the payload.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::socketio::{PacketFault, quoted};

/// Longest `id`, in bytes of JSON.
const ID_MAX_BYTES: usize = 66;

/// The client's own id of a message: an integer or a short string, echoed as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainId<'a>(&'a str);

impl<'a> PlainId<'a> {
    /// The id as JSON.
    #[must_use]
    pub fn as_json(&self) -> &'a str {
        self.0
    }
}

/// A message from a client: `{event, data?, id?, mid?, seq?}`.
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
    #[serde(default)]
    seq: Option<u64>,
}

/// Reads one message.
///
/// # Errors
/// `plain` when it is no such object (unknown and doubled members included), `event_name`, `id`.
pub fn decode_plain(text: &str) -> Result<PlainMessage<'_>, PacketFault> {
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| PacketFault("plain"))?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    let length_fits = (1..=128).contains(&wire.event.len());
    if !length_fits || !wire.event.bytes().all(allowed) {
        return Err(PacketFault("event_name"));
    }
    let id = wire.id.map(|id| read_id(id.get())).transpose()?;
    let data = wire.data.map(RawValue::get);
    Ok(PlainMessage { event: wire.event, data, id, mid: wire.mid, seq: wire.seq })
}

fn read_id(json: &str) -> Result<PlainId<'_>, PacketFault> {
    let integer = json.len() <= 16 && json.bytes().all(|byte| byte.is_ascii_digit());
    let string = json.len() <= ID_MAX_BYTES && json.starts_with('"');
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
    fn malformed() {
        let cases = [
            ("", "plain"),
            ("[]", "plain"),
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
}
