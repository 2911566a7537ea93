//! A record in the Common Event Format (CEF:0).
//! Never: a separator or line end of a text without its escape.

use std::fmt::Write;

use portcullis_audit::parse_utc;
use portcullis_model::Code;
use serde_json::Value;

/// Members of a record with the keys of the format.
const KEYS: [(&str, &str); 17] = [
    ("externalId", "/event/sequence"),
    ("outcome", "/event/outcome"),
    ("reason", "/event/reason"),
    ("act", "/event/action"),
    ("spt", "/source/port"),
    ("suid", "/user/id"),
    ("suser", "/user/name"),
    ("duid", "/user/target/id"),
    ("duser", "/user/target/name"),
    ("requestMethod", "/http/request/method"),
    ("request", "/url/path"),
    ("requestClientApplication", "/user_agent/original"),
    ("dvchost", "/service/node/name"),
    ("cat", "/event/category/0"),
    ("msg", "/message"),
    ("cnt", "/labels/suppressed"),
    ("cn1", "/http/response/status_code"),
];
/// Members without a key of their own; the label names them.
const LABELLED: [(&str, &str, &str); 6] = [
    ("cs1", "rule", "/rule/name"),
    ("cs2", "ref", "/trace/id"),
    ("cs3", "connection", "/labels/conn_id"),
    ("cs4", "session", "/labels/session_hash"),
    ("cs5", "origin", "/labels/origin"),
    ("cs6", "room", "/labels/room"),
];

/// One line without a line end.
pub(super) fn cef(record: &Value) -> String {
    let text = |pointer: &str| match record.pointer(pointer) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) | None => None,
    };
    let name = text("/event/code").unwrap_or_default();
    let sentence = Code::ALL.iter().find(|code| code.name() == name).map(|code| code.sentence());
    let version = text("/service/version").unwrap_or_default();
    let severity = match record.pointer("/event/severity").and_then(Value::as_u64) {
        Some(severity) => severity.min(100) / 10,
        None => 0,
    };
    let mut line = format!(
        "CEF:0|Portcullis|portcullis|{}|{}|{}|{severity}|",
        header(&version),
        header(&name),
        header(sentence.unwrap_or(&name))
    );
    let mut add = |key: &str, value: &str| {
        let space = if line.ends_with('|') { "" } else { " " };
        // Writing to a string never fails.
        let _ = write!(line, "{space}{key}={}", extension(value));
    };
    if let Some(time) = text("/@timestamp").as_deref().and_then(parse_utc) {
        add("rt", &time.to_string());
    }
    if let Some(address) = text("/source/ip") {
        if address.contains(':') {
            add("c6a2", &address);
            add("c6a2Label", "Source IPv6 Address");
        } else {
            add("src", &address);
        }
    }
    for (key, pointer) in KEYS {
        if let Some(value) = text(pointer) {
            add(key, &value);
            if key == "cn1" {
                add("cn1Label", "HTTP status");
            }
        }
    }
    for (key, label, pointer) in LABELLED {
        if let Some(value) = text(pointer) {
            add(key, &value);
            add(&format!("{key}Label"), label);
        }
    }
    line
}

/// A text of the header: `\` and `|` are escaped, line ends are not allowed.
fn header(text: &str) -> String {
    escape(text, |character| match character {
        '\\' => Some("\\\\"),
        '|' => Some("\\|"),
        '\n' | '\r' => Some(" "),
        _ => None,
    })
}

/// A value of the extension: `\`, `=` and line ends are escaped.
fn extension(text: &str) -> String {
    escape(text, |character| match character {
        '\\' => Some("\\\\"),
        '=' => Some("\\="),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        _ => None,
    })
}

/// Other control characters, and those that change the direction of text, become spaces.
fn escape(text: &str, known: impl Fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let ends = matches!(character, '\u{2028}' | '\u{2029}');
        let is_hidden = character.is_control() || turns || ends;
        match known(character) {
            Some(text) => escaped.push_str(text),
            None if is_hidden => escaped.push(' '),
            None => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // T-378
    #[test]
    fn t378_pipes_equals_signs_and_line_ends_are_escaped() {
        let record = json!({
            "@timestamp": "2027-01-15T08:00:00.000Z",
            "event": {
                "code": "malicious_csrf", "sequence": 7, "severity": 50, "outcome": "failure",
                "action": "a|b=c\\d", "category": ["intrusion_detection"],
            },
            "service": {"version": "1|2\\3\n4"},
            "source": {"ip": "203.0.113.7", "port": 5},
            "user": {"name": "x src=1.2.3.4"},
            "message": "one\r\ntwo\u{1b}[2J\u{202e}",
            "labels": {"origin": "https://a.example"},
        });
        let line = cef(&record);
        let expect = concat!(
            r"CEF:0|Portcullis|portcullis|1\|2\\3 4|malicious_csrf|",
            r"A request came from an origin that is not allowed.|5|rt=1800000000000 ",
            r"src=203.0.113.7 externalId=7 outcome=failure act=a|b\=c\\d spt=5 ",
            r"suser=x src\=1.2.3.4 cat=intrusion_detection msg=one\r\ntwo [2J  ",
            r"cs5=https://a.example cs5Label=origin"
        );
        assert_eq!(line, expect);
    }

    #[test]
    fn record_without_members_and_with_ipv6_is_a_line() {
        assert_eq!(cef(&json!({})), "CEF:0|Portcullis|portcullis||||0|");
        let line = cef(&json!({"source": {"ip": "2001:db8::1"}}));
        assert!(line.ends_with("|0|c6a2=2001:db8::1 c6a2Label=Source IPv6 Address"), "{line}");
    }
}
