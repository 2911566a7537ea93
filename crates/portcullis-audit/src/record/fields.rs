//! The fields of one security record; the encoder maps them to ECS names.
//! Never: tokens, passwords, session ids or message bodies.

use std::net::IpAddr;

use portcullis_model::{Code, ConnectionId, LimitKey, Reference, Secret, Severity, UserId};

use crate::record::client_text;
use crate::record::kind::Kind;

/// The outcome of the recorded event (`event.outcome`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The operation took effect.
    Success,
    /// The request was rejected, or the operation failed.
    Failure,
    /// The result is not known.
    Unknown,
}

impl Outcome {
    /// The name of the outcome in ECS.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// Maximum length of an HTTP method, in bytes.
const METHOD_MAX_BYTES: usize = 32;
/// Maximum length of an application event's name, in bytes.
const EVENT_MAX_BYTES: usize = 160;
/// Maximum length of a user agent and of an origin, in bytes.
const SHORT_MAX_BYTES: usize = 256;
/// Maximum length of every other text, in bytes.
const TEXT_MAX_BYTES: usize = 1024;
/// The label whose text a client chose: an origin, which can contain stolen data.
const BLOCKED: &str = "blocked";
/// The end of a text that was truncated.
const TRUNCATION_MARKER: &str = "[cut]";

/// One security record. Start from [`Record::new`] and set the fields that are known.
///
/// Texts can have any length and content: the log truncates and escapes them.
#[derive(Debug, Clone)]
pub struct Record {
    /// The event's name in the OWASP vocabulary or our extension of it (`event.code`).
    pub code: Code,
    /// The outcome of the event.
    pub outcome: Outcome,
    /// The severity (`log.level`, `event.severity`).
    pub severity: Severity,
    /// The rule that decided (`rule.name`); "" without a rule.
    pub rule: &'static str,
    /// The reason in one word (`event.reason`); "" without a reason.
    pub reason: &'static str,
    /// The reference code that the rejected client received (`trace.id`).
    pub reference: Option<Reference>,
    /// The client's address, behind trusted proxies (`source.ip`).
    pub client: Option<IpAddr>,
    /// The client's port (`source.port`).
    pub port: Option<u16>,
    /// The id of the user (`user.id`).
    pub user: Option<UserId>,
    /// The name of the user (`user.name`).
    pub user_name: Option<String>,
    /// The user that an operation changes (`user.target.id`).
    pub target: Option<UserId>,
    /// The name of that user (`user.target.name`).
    pub target_name: Option<String>,
    /// The id of the session; a keyed hash of it is written (`labels.session_hash`).
    pub session: Option<Secret<String>>,
    /// The id of the connection (`labels.conn_id`).
    pub connection: Option<ConnectionId>,
    /// The application event that was requested (`event.action`).
    pub event: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The HTTP path, without the query.
    pub path: Option<String>,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// The `Origin` of the request.
    pub origin: Option<String>,
    /// The `User-Agent` of the request.
    pub user_agent: Option<String>,
    /// The key of the limit that rejected the request, and the milliseconds until a retry can
    /// succeed (`labels.limit_key`, `labels.retry_after_ms`).
    pub limit: Option<(LimitKey, u64)>,
    /// The invalid member of a rejected payload (`labels.field`).
    pub field: Option<String>,
    /// More facts by name (`labels`). Facts that can identify a person belong here or in a field
    /// of their own, never in `detail`.
    pub labels: Vec<(&'static str, String)>,
    /// A sentence for the operator (`message`), without names of users, addresses, or typed text.
    pub detail: Option<String>,
    /// The number of records that were not written and that this record counts.
    pub suppressed: u64,
}

impl Record {
    /// A record with a code, the severity of that code, and no other field.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            outcome: Outcome::Unknown,
            severity: code.severity(),
            rule: "",
            reason: "",
            reference: None,
            client: None,
            port: None,
            user: None,
            user_name: None,
            target: None,
            target_name: None,
            session: None,
            connection: None,
            event: None,
            method: None,
            path: None,
            status: None,
            origin: None,
            user_agent: None,
            limit: None,
            field: None,
            labels: Vec::new(),
            detail: None,
            suppressed: 0,
        }
    }
}

impl Record {
    /// The kind of the record.
    pub(crate) fn kind(&self) -> Kind {
        (self.code, self.rule)
    }

    /// Masks credentials in texts that a client sent, and truncates every text to its limit.
    ///
    /// The limits bound the memory of a queued record.
    pub(crate) fn sanitize(&mut self) {
        if let Some(origin) = &mut self.origin {
            client_text::strip_origin(origin);
        }
        let client_texts = [
            &mut self.event,
            &mut self.method,
            &mut self.path,
            &mut self.origin,
            &mut self.user_agent,
            &mut self.field,
        ];
        for text in client_texts.into_iter().flatten() {
            client_text::mask_credentials(text);
        }
        for (text, max_bytes) in
            [(&mut self.method, METHOD_MAX_BYTES), (&mut self.event, EVENT_MAX_BYTES)]
        {
            if let Some(text) = text {
                truncate(text, max_bytes);
            }
        }
        for text in [&mut self.user_agent, &mut self.origin].into_iter().flatten() {
            truncate(text, SHORT_MAX_BYTES);
        }
        let others = [
            &mut self.user_name,
            &mut self.target_name,
            &mut self.path,
            &mut self.field,
            &mut self.detail,
        ];
        for text in others.into_iter().flatten() {
            truncate(text, TEXT_MAX_BYTES);
        }
        for (name, text) in &mut self.labels {
            if *name == BLOCKED {
                client_text::mask_credentials(text);
            }
            truncate(text, TEXT_MAX_BYTES);
        }
    }
}

fn truncate(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        let end = text.floor_char_boundary(max_bytes - TRUNCATION_MARKER.len());
        text.truncate(end);
        text.push_str(TRUNCATION_MARKER);
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_texts_are_masked_and_truncated() {
        let secret = "4x8Vn2LrQ0sTz7KcY1mBwP6u";
        let mut record = Record::new(Code::MaliciousExcess404);
        record.path = Some(format!("/x/{secret}"));
        record.origin = Some(format!("https://u:{secret}@a.example/{secret}"));
        record.user_agent = Some(format!("agent {secret}"));
        record.event = Some(format!("e:{secret}:{}", "long ".repeat(99)));
        record.method = Some(format!("{secret}{}", "-".repeat(99)));
        record.field = Some(String::from(secret));
        record.labels.push(("blocked", format!("https://{secret}.example")));
        record.sanitize();
        let texts = [&record.path, &record.origin, &record.user_agent, &record.event];
        for text in texts.into_iter().chain([&record.method, &record.field]).flatten() {
            assert!(!text.contains(&secret[4..]), "{text}");
        }
        assert_eq!(record.labels, [("blocked", String::from("https://4x8V[masked 32]"))]);
        assert_eq!(record.path.as_deref(), Some("/x/4x8V[masked 24]"));
        assert_eq!(record.origin.as_deref(), Some("https://a.example"));
        assert!(record.event.is_some_and(|text| text.len() == 160));
        assert!(record.method.is_some_and(|text| text.len() <= 32));
    }

    // T-162
    #[test]
    fn long_text_is_truncated_at_a_character_with_a_marker() {
        let cases = [
            (String::from("Firefox"), 7, "Firefox"),
            ("a".repeat(256), 256, "aaaaaa"),
            ("a".repeat(257), 256, "a[cut]"),
            ("a".repeat(1 << 20), 256, "a[cut]"),
            ("\u{1f600}".repeat(300), 253, "\u{1f600}[cut]"),
        ];
        for (user_agent, length, end) in cases {
            let mut record = Record::new(Code::WsConnected);
            record.detail = Some("d".repeat(1025));
            record.user_agent = Some(user_agent);
            record.sanitize();
            let kept = record.user_agent.unwrap();
            assert_eq!(kept.len(), length);
            assert!(kept.ends_with(end), "{kept}");
            assert_eq!(record.detail.map(|text| text.len()), Some(1024));
        }
    }
}
