//! One record as a line for a person.
//! Never: text of a client without escapes.

use std::fmt::Write;

use serde_json::Value;

/// The members that are printed with a name, in this order.
const MEMBERS: [(&str, &str); 15] = [
    ("rule", "/rule/name"),
    ("reason", "/event/reason"),
    ("event", "/event/action"),
    ("address", "/source/ip"),
    ("user", "/user/name"),
    ("user_id", "/user/id"),
    ("target", "/user/target/id"),
    ("room", "/labels/room"),
    ("method", "/http/request/method"),
    ("path", "/url/path"),
    ("status", "/http/response/status_code"),
    ("origin", "/labels/origin"),
    ("field", "/labels/field"),
    ("suppressed", "/labels/suppressed"),
    ("ref", "/trace/id"),
];

/// A line without a line end: time, level, name, members, message.
pub(super) fn record_text(line: &[u8]) -> String {
    let Ok(record) = serde_json::from_slice::<Value>(line) else {
        return format!("not a record: {:?}", String::from_utf8_lossy(line));
    };
    let text = |pointer: &str| match record.pointer(pointer) {
        Some(Value::String(text)) => Some(escaped(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) | None => None,
    };
    let or_nothing = |pointer: &str| text(pointer).unwrap_or_else(|| String::from("-"));
    let mut output = format!(
        "{:<24}  {:<8}  {}",
        or_nothing("/@timestamp"),
        or_nothing("/log/level"),
        or_nothing("/event/code")
    );
    for (name, pointer) in MEMBERS {
        if let Some(text) = text(pointer) {
            // Writing to a string never fails.
            let _ = write!(output, "  {name}={text}");
        }
    }
    if let Some(message) = record.pointer("/message").and_then(Value::as_str) {
        let _ = write!(output, "  {message:?}");
    }
    output
}

/// A text as it is if it is a plain word; otherwise quoted, with escapes.
pub(super) fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\=".contains(&byte);
    let plain = !text.is_empty() && text.bytes().all(is_plain);
    if plain { String::from(text) } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_one_line_with_escaped_texts() {
        let line = r#"{"@timestamp":"2026-11-28T22:25:11.482Z","log":{"level":"warning"},
            "event":{"code":"malicious_csrf"},"rule":{"name":"origin_rejected"},
            "source":{"ip":"203.0.113.7"},"labels":{"origin":"a\u001b[2J\n\u202e b"},
            "message":"two words"}"#;
        assert_eq!(
            record_text(line.as_bytes()),
            "2026-11-28T22:25:11.482Z  warning   malicious_csrf  rule=origin_rejected  \
             address=203.0.113.7  origin=\"a\\u{1b}[2J\\n\\u{202e} b\"  \"two words\""
        );
        assert_eq!(record_text(b"\x1b[2J"), "not a record: \"\\u{1b}[2J\"");
    }
}
