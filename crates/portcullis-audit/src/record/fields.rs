//! What happened, as fields; the encoder knows their names in ECS.
//! Never: tokens, passwords, session ids or message bodies.

use std::net::IpAddr;

use portcullis_model::{Code, ConnectionId, LimitKey, Reference, Secret, Severity, UserId};

use crate::record::client_text;

/// How the recorded act ended (`event.outcome`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure,
    /// Nobody can tell.
    Unknown,
}

impl Outcome {
    /// The word ECS uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// Longest HTTP method kept, in bytes.
const METHOD_MAX_BYTES: usize = 32;
/// Longest name of an application event kept, in bytes.
const EVENT_MAX_BYTES: usize = 160;
/// Longest user agent and origin kept, in bytes.
const SHORT_MAX_BYTES: usize = 256;
/// Longest other text kept, in bytes.
const TEXT_MAX_BYTES: usize = 1024;
/// Stands at the end of a text that was cut.
const CUT_MARKER: &str = "[cut]";

/// One security record. Start from [`Record::new`] and set the fields that are known.
///
/// Text of any length and content may be put in; it is cut and escaped when encoded.
#[derive(Debug, Clone)]
pub struct Record {
    /// The event's name in the OWASP vocabulary or our extension of it (`event.code`).
    pub code: Code,
    /// How it ended.
    pub outcome: Outcome,
    /// How much it matters; critical records have a lane of their own.
    pub severity: Severity,
    /// The rule that decided (`rule.name`); "" when none did.
    pub rule: &'static str,
    /// The reason in one word (`event.reason`); "" when there is none.
    pub reason: &'static str,
    /// The code the refused peer was given (`trace.id`).
    pub reference: Option<Reference>,
    /// Where from, after trusted proxies (`source.ip`).
    pub client: Option<IpAddr>,
    /// The port there.
    pub port: Option<u16>,
    /// Who.
    pub user: Option<UserId>,
    /// Who, by name.
    pub user_name: Option<String>,
    /// The user an operation acts on (`user.target.id`).
    pub target: Option<UserId>,
    /// The name of that user (`user.target.name`).
    pub target_name: Option<String>,
    /// The id of the session; a keyed hash of it is written (`labels.session_hash`).
    pub session: Option<Secret<String>>,
    /// On which connection (`labels.conn_id`).
    pub connection: Option<ConnectionId>,
    /// The application event asked for (`event.action`).
    pub event: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The HTTP path, without the query.
    pub path: Option<String>,
    /// The HTTP status answered.
    pub status: Option<u16>,
    /// The `Origin` of the request.
    pub origin: Option<String>,
    /// The `User-Agent` of the request.
    pub user_agent: Option<String>,
    /// What the limit that refused counts by, and for how many milliseconds it still does
    /// (`labels.limit_key`, `labels.retry_after_ms`).
    pub limit: Option<(LimitKey, u64)>,
    /// The member of a rejected payload that is at fault (`labels.field`).
    pub field: Option<String>,
    /// More that is known, by name (`labels`). What may identify a person stands here or in another
    /// member of its own, never in `detail`.
    pub labels: Vec<(&'static str, String)>,
    /// A sentence for the operator (`message`), without names of users, addresses, or typed text.
    pub detail: Option<String>,
    /// How many records of the same rule and source this one stands for, beside itself.
    pub suppressed: u64,
}

impl Record {
    /// A record of which only the code is known, with the severity of that code.
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
    /// Removes what may be a credential from texts of clients, and cuts every text to its limit, so
    /// that what waits in the queue is bounded.
    pub(crate) fn cut(&mut self) {
        if let Some(origin) = &mut self.origin {
            client_text::strip_origin(origin);
        }
        let of_clients = [
            &mut self.event,
            &mut self.method,
            &mut self.path,
            &mut self.origin,
            &mut self.user_agent,
            &mut self.field,
        ];
        for text in of_clients.into_iter().flatten() {
            client_text::mask_credentials(text);
        }
        for (text, max_bytes) in
            [(&mut self.method, METHOD_MAX_BYTES), (&mut self.event, EVENT_MAX_BYTES)]
        {
            if let Some(text) = text {
                cut(text, max_bytes);
            }
        }
        for text in [&mut self.user_agent, &mut self.origin].into_iter().flatten() {
            cut(text, SHORT_MAX_BYTES);
        }
        let others = [
            &mut self.user_name,
            &mut self.target_name,
            &mut self.path,
            &mut self.field,
            &mut self.detail,
        ];
        for text in others.into_iter().flatten() {
            cut(text, TEXT_MAX_BYTES);
        }
        for (_, text) in &mut self.labels {
            cut(text, TEXT_MAX_BYTES);
        }
    }
}

fn cut(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        let end = text.floor_char_boundary(max_bytes - CUT_MARKER.len());
        text.truncate(end);
        text.push_str(CUT_MARKER);
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_clients_lose_credentials_and_are_cut() {
        let secret = "4x8Vn2LrQ0sTz7KcY1mBwP6u";
        let mut record = Record::new(Code::MaliciousExcess404);
        record.path = Some(format!("/x/{secret}"));
        record.origin = Some(format!("https://u:{secret}@a.example/{secret}"));
        record.user_agent = Some(format!("agent {secret}"));
        record.event = Some(format!("e:{secret}:{}", "long ".repeat(99)));
        record.method = Some(format!("{secret}{}", "-".repeat(99)));
        record.field = Some(String::from(secret));
        record.cut();
        let texts = [&record.path, &record.origin, &record.user_agent, &record.event];
        for text in texts.into_iter().chain([&record.method, &record.field]).flatten() {
            assert!(!text.contains(&secret[4..]), "{text}");
        }
        assert_eq!(record.path.as_deref(), Some("/x/4x8V[masked 24]"));
        assert_eq!(record.origin.as_deref(), Some("https://a.example"));
        assert!(record.event.is_some_and(|text| text.len() == 160));
        assert!(record.method.is_some_and(|text| text.len() <= 32));
    }

    // T-162
    #[test]
    fn long_texts_are_cut_with_a_marker_and_never_inside_a_character() {
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
            record.cut();
            let kept = record.user_agent.unwrap();
            assert_eq!(kept.len(), length);
            assert!(kept.ends_with(end), "{kept}");
            assert_eq!(record.detail.map(|text| text.len()), Some(1024));
        }
    }
}
