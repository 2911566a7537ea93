//! The one way out for refusals: what the client reads, the security record, the counter.
//! Never: a decision; it is made before.

use std::borrow::Cow;
use std::net::IpAddr;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Source, User};
use portcullis_model::{Answer, ConnectionId, Denial, Now, Reference, Violation};
use serde_json::{Map, Value, json};

use crate::shard::state::Shard;

/// Whether a rejection counts against the address it comes from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It does.
    #[default]
    Client,
    /// Another site's page may have caused it, and the visitor of that page must not be blocked.
    Nobody,
}

impl From<Source> for Blame {
    fn from(source: Source) -> Self {
        match source {
            Source::Attributable => Self::Client,
            Source::Unmarked | Source::Navigation | Source::CrossSite => Self::Nobody,
        }
    }
}

/// Who is refused, as far as it is known.
#[derive(Default, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) client: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<&'a User>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) event: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    /// The party that is charged when no user is signed in.
    pub(crate) blame: Blame,
    /// Whether the refusal answers an HTTP request, so that the record names its status.
    pub(crate) http: bool,
}

/// A refusal that is recorded and counted, ready to be told to the client.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) answer: Answer,
    /// What the client reads: of the row, or the application's own.
    code: &'static str,
    /// What the client reads; see [`message`].
    message: Cow<'static, str>,
    pub(crate) retry_after_s: Option<u64>,
    reference: Option<Reference>,
    field: Option<String>,
    engine_code: u8,
    /// What the client's developer can change, where the message does not say it.
    cause: Option<&'static str>,
    /// `unknown` when the request may have had its effect all the same.
    outcome: Option<&'static str>,
    /// Our time, for whoever signs with a clock that is off.
    server_time: Option<i64>,
}

/// How long a client is asked to wait for a place.
const PLACE_WAIT_S: u64 = 5;

/// Records and counts a refusal; gives what the client may read.
pub(crate) fn refuse(shard: &Shard, denial: &Denial, who: &Who<'_>, now: Now) -> Refusal {
    let answer = denial.answer();
    let reference = shard.references.next(&answer, now);
    let limit = denial.limit().map(|limit| limit.key());
    shard.metrics.refused(answer.rule, answer.code, limit);
    // A stranger who is refused at the CONNECT has cost a handshake like any other.
    let blamed = who.user.is_some() || who.blame == Blame::Client;
    if who.user.is_none() && blamed {
        shard.pressure.refused();
    }
    // A client that is too fast waits, and its attempts cost nobody anything.
    if answer.violation == Violation::Counts && blamed {
        shard.gate.admission().count_violation(who.client, who.user.map(|user| &user.id), now);
    }
    let mut record = Record::new(answer.event);
    record.severity = answer.severity;
    record.outcome = Outcome::Failure;
    record.rule = answer.rule;
    record.reason = denial.reason();
    record.client = who.client;
    record.port = who.port;
    record.connection = who.connection;
    record.limit = limit.map(|key| (key, denial.retry_after_ms().unwrap_or(0)));
    // Whose record it is decides which budget it uses.
    record.user = who.user.map(|user| user.id.clone());
    record.status = who.http.then_some(answer.status);
    // Of a flood most records are only counted: their texts are never made.
    shard.audit.record_with(record, now, |record| {
        record.reference.clone_from(&reference);
        record.user_name = denial.username().map(String::from);
        record.event = who.event.map(String::from);
        record.method = who.method.map(String::from);
        record.path = who.path.map(String::from);
        record.origin = who.origin.map(String::from);
        record.user_agent = who.user_agent.map(String::from);
        record.field = denial.field().map(String::from);
    });
    let retry_after_s = denial.retry_after_ms().map(|exact_ms| match who.user {
        Some(_) => exact_ms.div_ceil(1_000).max(1),
        None => spread(exact_ms, shard.references.next_number()),
    });
    let engine_code = engine_code(denial);
    let server_time = (*denial == Denial::Replay("ts")).then_some(now.unix_ms);
    let field = denial.field().map(String::from);
    let (outcome, cause) = (denial.outcome(), denial.cause());
    let message = message(denial, &answer, retry_after_s);
    Refusal {
        answer,
        code: denial.client_code(),
        message,
        retry_after_s,
        reference,
        field,
        engine_code,
        cause,
        outcome,
        server_time,
    }
}

/// The text for the client, with the time to wait where waiting helps.
fn message(denial: &Denial, answer: &Answer, retry_after_s: Option<u64>) -> Cow<'static, str> {
    let message = answer.message;
    match (denial, retry_after_s) {
        (Denial::App(app), _) => String::from(app.message()).into(),
        (Denial::Muted { until_unix_ms: Some(until_unix_ms), .. }, _) => {
            format!("{message} until {}", portcullis_audit::utc(*until_unix_ms)).into()
        }
        (_, Some(seconds)) => format!("{message}; try again in {seconds} s").into(),
        (_, None) => message.into(),
    }
}

/// The seconds that an unauthenticated client is asked to wait: the real time, and up to half as
/// long again at random, so that clients that were rejected together do not come back together.
fn spread(exact_ms: u64, random: u64) -> u64 {
    // A place becomes free when another client leaves: nobody knows when.
    let real_s = if exact_ms == 0 { PLACE_WAIT_S } else { exact_ms.div_ceil(1_000) };
    real_s.saturating_add(random % (real_s.div_ceil(2) + 1))
}

/// The number the Engine.IO protocol gives a refused request.
fn engine_code(denial: &Denial) -> u8 {
    match denial {
        Denial::TransportUnknown | Denial::PollingOff => 0,
        Denial::SessionUnknown(_) => 1,
        Denial::HandshakeMethod => 2,
        Denial::OriginMissing
        | Denial::OriginForbidden
        | Denial::CrossSite
        | Denial::Limit { .. }
        | Denial::Busy
        | Denial::Draining
        | Denial::Token(_)
        | Denial::TokenInUrl
        | Denial::PlainText => 4,
        Denial::EngineVersion => 5,
        _ => 3,
    }
}

impl Refusal {
    fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", Reference::as_str)
    }

    /// Whether the answer has to carry a nonce (RFC 9449 section 8).
    pub(crate) fn wants_nonce(&self) -> bool {
        self.answer.rule == "nonce"
    }

    /// The body of an HTTP answer: `{code, message, ref, cause?, field?, outcome?}`.
    pub(crate) fn http_body(&self) -> String {
        let mut json = String::from("{");
        push_text(&mut json, "code", self.code);
        push_text(&mut json, "message", &self.message);
        push_text(&mut json, "ref", self.reference());
        if let Some(cause) = self.cause {
            push_text(&mut json, "cause", cause);
        }
        if let Some(field) = &self.field {
            push_text(&mut json, "field", field);
        }
        if let Some(outcome) = self.outcome {
            push_text(&mut json, "outcome", outcome);
        }
        json.push('}');
        json
    }

    /// The body for a request at the Engine.IO path, whose codes are numbers.
    pub(crate) fn engine_body(&self) -> String {
        let mut json = format!("{{\"code\":{}", self.engine_code);
        push_text(&mut json, "message", &self.message);
        push_text(&mut json, "ref", self.reference());
        if let Some(cause) = self.cause {
            push_text(&mut json, "cause", cause);
        }
        json.push('}');
        json
    }

    /// The payload of a refused CONNECT: `{message, data: {code, ref, cause?, retry_after_s?}}`.
    pub(crate) fn connect_error(&self) -> String {
        let mut data = self.members();
        data.remove("message");
        json!({ "message": self.message, "data": data }).to_string()
    }

    /// The payload of a refused CONNECT, for tests of the protocol: `{message}`.
    pub(crate) fn bare_error(&self) -> String {
        let message = match self.answer.rule {
            "app" => &*self.message,
            _ => self.answer.message,
        };
        json!({ "message": message }).to_string()
    }

    /// The acknowledgement of a refused event: `{ok: false, error: {…}}`.
    pub(crate) fn reply(&self) -> String {
        let mut json = String::with_capacity(160);
        json.push_str(r#"{"ok":false,"error":{"#);
        self.push_members(&mut json);
        json.push_str("}}");
        json
    }

    /// The payload of event `error`, for an event without acknowledgement.
    pub(crate) fn error_event(&self, event: Option<&str>) -> String {
        let mut json = String::with_capacity(160);
        json.push('{');
        self.push_members(&mut json);
        if let Some(event) = event {
            push_text(&mut json, "event", event);
        }
        json.push('}');
        json
    }

    /// `code`, `message`, `ref`, and `cause`, `field` and `retry_after_s` where there are any.
    fn push_members(&self, json: &mut String) {
        push_text(json, "code", self.code);
        push_text(json, "message", &self.message);
        push_text(json, "ref", self.reference());
        if let Some(cause) = self.cause {
            push_text(json, "cause", cause);
        }
        if let Some(field) = &self.field {
            push_text(json, "field", field);
        }
        if let Some(seconds) = self.retry_after_s {
            json.push_str(&format!(r#","retry_after_s":{seconds}"#));
        }
        if let Some(outcome) = self.outcome {
            push_text(json, "outcome", outcome);
        }
        if let Some(time) = self.server_time {
            json.push_str(&format!(r#","server_time":{time}"#));
        }
    }

    fn members(&self) -> Map<String, Value> {
        let mut json = String::from("{");
        self.push_members(&mut json);
        json.push('}');
        serde_json::from_str(&json).unwrap_or_default()
    }
}

/// Adds a member with a text, and a comma before all but the first.
fn push_text(json: &mut String, name: &str, text: &str) {
    if !json.ends_with('{') {
        json.push(',');
    }
    json.push('"');
    json.push_str(name);
    json.push_str("\":");
    json.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_time_is_real_and_spread() {
        for (exact_ms, least, most) in [(6_500, 7, 11), (1, 1, 2), (30_000, 30, 45), (0, 5, 8)] {
            let seen: Vec<_> = (0..1_000).map(|random| spread(exact_ms, random)).collect();
            assert_eq!(seen.iter().min(), Some(&least), "{exact_ms}");
            assert_eq!(seen.iter().max(), Some(&most), "{exact_ms}");
        }
    }

    #[test]
    fn muted_user_reads_until_when() {
        let text = |until_unix_ms| {
            let denial = Denial::Muted { until_unix_ms, retry_after_ms: 1 };
            message(&denial, &denial.answer(), denial.retry_after_ms()).into_owned()
        };
        assert_eq!(text(Some(60_000)), "You are muted until 1970-01-01T00:01:00.000Z");
        assert_eq!(text(None), "You are muted");
    }

    #[test]
    fn refusals_are_sound_json_whatever_they_name() {
        let refusal = Refusal {
            server_time: None,
            message: message(&Denial::EventUnknown, &Denial::EventUnknown.answer(), Some(5)),
            cause: Some("depth"),
            outcome: Some("unknown"),
            answer: Denial::EventUnknown.answer(),
            code: Denial::EventUnknown.client_code(),
            retry_after_s: Some(5),
            reference: Reference::parse("abc123").ok(),
            field: Some(String::from("roomId")),
            engine_code: 3,
        };
        let event: Value = serde_json::from_str(&refusal.error_event(Some("a\"b"))).unwrap();
        assert_eq!((&event["event"], &event["ref"]), (&json!("a\"b"), &json!("abc123")));
        let reply: Value = serde_json::from_str(&refusal.reply()).unwrap();
        assert_eq!((&reply["ok"], &reply["error"]["retry_after_s"]), (&json!(false), &json!(5)));
        assert_eq!(reply["error"]["field"], "roomId");
        assert_eq!((&event["cause"], &reply["error"]["cause"]), (&json!("depth"), &json!("depth")));
        assert_eq!(reply["error"]["outcome"], "unknown");
        let body: Value = serde_json::from_str(&refusal.http_body()).unwrap();
        assert_eq!((&body["outcome"], &body["cause"]), (&json!("unknown"), &json!("depth")));
        assert_eq!(body["message"], "Unknown event; try again in 5 s");
        let engine: Value = serde_json::from_str(&refusal.engine_body()).unwrap();
        assert_eq!((&engine["code"], &engine["cause"]), (&json!(3), &json!("depth")));
        let connect: Value = serde_json::from_str(&refusal.connect_error()).unwrap();
        assert_eq!(connect["data"]["code"], "UNKNOWN_EVENT");
        assert!(connect["data"].get("message").is_none() && connect["message"].is_string());
    }
}
