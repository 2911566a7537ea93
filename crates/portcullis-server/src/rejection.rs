//! Rejections: the text for the client, the security record and the counter, all in one place.
//! Never: the decision; the guard or the caller has made it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_audit::{Conduct, Outcome, Privilege, Record, SessionCookie, Subject};
use portcullis_guard::{Source, User};
use portcullis_model::{
    Answer, Code, ConnectionId, Denial, Now, Reference, RoomId, UserId, Violation,
};
use serde_json::{Map, Value, json};

use crate::load::rejected_parties::PartyRejection;
use crate::shard::state::Shard;

/// Whether a rejection counts against the address it comes from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It counts against the client.
    #[default]
    Client,
    /// It counts against no party: another site's page may have caused it, and the visitor of that
    /// page must not be blocked.
    None,
}

impl From<Source> for Blame {
    fn from(source: Source) -> Self {
        match source {
            Source::Attributable => Self::Client,
            Source::Unmarked | Source::Navigation | Source::CrossSite => Self::None,
        }
    }
}

/// The user that a verified credential names, who is not signed in.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedUser {
    pub(crate) id: UserId,
    pub(crate) issuer: Arc<str>,
}

/// The parts of the head of a rejected request.
#[derive(Default, Clone, Copy)]
pub(crate) struct RejectedHead<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    /// Whether it has the cookie of a user who logged in.
    pub(crate) cookie: SessionCookie,
}

/// The known facts about a rejected request.
#[derive(Default, Clone, Copy)]
pub(crate) struct RejectionSource<'a> {
    pub(crate) client: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<&'a User>,
    /// The user of a verified credential that is rejected afterwards; only recorded.
    pub(crate) verified: Option<&'a VerifiedUser>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) event: Option<&'a str>,
    pub(crate) head: RejectedHead<'a>,
    /// The room that a rejected text was for.
    pub(crate) room: Option<&'a RoomId>,
    /// The party that the rejection counts against when no user is signed in.
    pub(crate) blame: Blame,
    /// Whether an HTTP request is rejected, so that the record names the status.
    pub(crate) http: bool,
}

/// A rejection that is recorded and counted; the client has not read it yet.
#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    pub(crate) answer: Answer,
    /// The code for the client: of the denial's row, or the application's own.
    code: &'static str,
    /// The text for the client; see [`message`].
    message: Cow<'static, str>,
    pub(crate) retry_after_s: Option<u64>,
    reference: Option<Reference>,
    field: Option<String>,
    engine_code: u8,
    /// The remedy for the client's developer, when the message does not name it.
    cause: Option<&'static str>,
    /// `unknown` when the request may have had an effect.
    outcome: Option<&'static str>,
    /// The server's time, for clients that sign messages with a wrong clock.
    server_time: Option<i64>,
}

/// How long a client is asked to wait for a free slot.
const SLOT_WAIT_S: u64 = 5;

/// Records and counts a denial. Returns the part that the client may read.
pub(crate) fn reject(
    shard: &Shard,
    denial: &Denial,
    source: &RejectionSource<'_>,
    now: Now,
) -> Rejection {
    let answer = denial.answer();
    let reference = shard.references.next(&answer, now);
    log_fault(denial, source, reference.as_ref());
    let limit = denial.limit().map(|limit| limit.key());
    shard.server.metrics.count_rejection(answer.rule, answer.code, limit);
    // An unauthenticated client that is rejected at the CONNECT has also cost a handshake.
    let is_blamed = source.user.is_some() || source.blame == Blame::Client;
    let party = PartyRejection {
        client: source.client.filter(|_| is_blamed),
        user: source.user.map(|user| &user.id),
        origin: source.head.origin.filter(|_| answer.rule == "origin_rejected"),
        rule: denial.limit().map_or(answer.rule, |limit| limit.name()),
        wait_ms: denial.retry_after_ms().unwrap_or(0),
    };
    shard.server.load.count_rejection(shard.index, &party, now);
    if source.user.is_none() && is_blamed {
        shard.server.load.add_rejection();
    }
    // Attempts above a rate are not violations: the client has to wait.
    if answer.violation == Violation::Counts && is_blamed {
        shard.server.gate.admission().count_violation(
            source.client,
            source.user.map(|user| &user.id),
            now,
        );
    }
    record(shard, denial, &answer, source, reference.as_ref(), now);
    let retry_after_s = denial.retry_after_ms().map(|exact_ms| match source.user {
        Some(_) => exact_ms.div_ceil(1_000).max(1),
        None => spread(exact_ms, shard.references.next_number()),
    });
    Rejection {
        code: denial.client_code(),
        message: message(denial, &answer, retry_after_s),
        retry_after_s,
        reference,
        field: denial.field().map(String::from),
        engine_code: engine_code(denial),
        cause: denial.cause(),
        outcome: denial.outcome(),
        server_time: (*denial == Denial::Replay("ts")).then_some(now.unix_ms),
        answer,
    }
}

/// Writes the security record of a rejection.
fn record(
    shard: &Shard,
    denial: &Denial,
    answer: &Answer,
    source: &RejectionSource<'_>,
    reference: Option<&Reference>,
    now: Now,
) {
    let limit = denial.limit().map(|limit| limit.key());
    let mut record = Record::new(answer.event);
    record.severity = answer.severity;
    record.outcome = Outcome::Failure;
    record.rule = answer.rule;
    record.reason = denial.reason();
    record.client = source.client;
    record.port = source.port;
    record.connection = source.connection;
    record.limit = limit.map(|key| (key, denial.retry_after_ms().unwrap_or(0)));
    // The user decides which budget of the log the record uses.
    let verified = source.verified.map(|user| user.id.clone());
    record.user = source.user.map(|user| user.id.clone()).or(verified);
    record.status = source.http.then_some(answer.status);
    let subject = Subject {
        privilege: privilege_of(shard, answer, source),
        ..subject_of(denial, answer, source, reference)
    };
    // Most records of a flood are only counted: their texts are not built.
    shard.server.audit.record_with(record, &subject, now, |record| {
        record.reference = reference.cloned();
        record.user_name = denial.username().map(String::from);
        record.event = source.event.map(String::from);
        record.method = source.head.method.map(String::from);
        record.path = source.head.path.map(String::from);
        record.origin = source.head.origin.map(String::from);
        record.user_agent = source.head.user_agent.map(String::from);
        record.field = denial.field().map(String::from);
        record.labels.extend(source.room.map(|room| ("room", room.to_string())));
        if let Some(user) = source.verified {
            record.labels.push(("issuer", user.issuer.to_string()));
        }
    });
}

/// The keys by which alert rules count a rejection.
fn subject_of<'a>(
    denial: &'a Denial,
    answer: &Answer,
    source: &RejectionSource<'a>,
    reference: Option<&'a Reference>,
) -> Subject<'a> {
    let is_blamed = source.user.is_some() || source.blame == Blame::Client;
    let is_violation = answer.violation == Violation::Counts && is_blamed;
    Subject {
        name: denial.username(),
        origin: source.head.origin,
        room: source.room.map(RoomId::as_str),
        object: source.event,
        reference,
        cookie: source.head.cookie,
        conduct: if is_violation { Conduct::Violation } else { Conduct::Possible },
        ..Subject::default()
    }
}

/// The privilege of the user who is rejected, or whose credential was copied.
fn privilege_of(shard: &Shard, answer: &Answer, source: &RejectionSource<'_>) -> Privilege {
    if let Some(user) = source.user {
        return Privilege::of(user.roles());
    }
    let reused = source.verified.filter(|_| answer.event == Code::AuthnTokenReuse);
    let user = reused.and_then(|user| shard.server.gate.directory().user(&user.id));
    user.map_or(Privilege::Ordinary, |user| Privilege::of(user.roles()))
}

/// Logs a fault of the server or of a handler, once, for its developer.
fn log_fault(denial: &Denial, source: &RejectionSource<'_>, reference: Option<&Reference>) {
    let fault = match denial {
        Denial::HandlerTimeout => "a handler took longer than handler_timeout_ms",
        Denial::Internal("handler_panic") => "a handler panicked",
        Denial::Internal("reply_reserved_member") => {
            "a reply has a member \"ok\" or \"error\", which are reserved: it was not sent"
        }
        Denial::Internal(_) => "a request failed with an internal error",
        _ => return,
    };
    let reference = reference.map_or("", Reference::as_str);
    let (event, path) = (source.event.unwrap_or_default(), source.head.path.unwrap_or_default());
    tracing::error!(reason = denial.reason(), event, path, reference, "{fault}");
}

/// The text for the client, with the time after which another attempt makes sense.
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

/// The wait of an unauthenticated client in seconds: the real time, and up to half of it at random,
/// so that clients that were rejected at the same time do not return at the same time.
fn spread(exact_ms: u64, random: u64) -> u64 {
    // A slot becomes free when another client disconnects; that time is unknown.
    let real_s = if exact_ms == 0 { SLOT_WAIT_S } else { exact_ms.div_ceil(1_000) };
    real_s.saturating_add(random % (real_s.div_ceil(2) + 1))
}

/// The code of a rejected request in the Engine.IO protocol.
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

impl Rejection {
    fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", Reference::as_str)
    }

    /// Whether the response needs a nonce (RFC 9449 section 8).
    pub(crate) fn needs_nonce(&self) -> bool {
        self.answer.rule == "nonce"
    }

    /// The body of an HTTP response: `{code, message, ref, cause?, field?, outcome?}`.
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

    /// The body of a response at the Engine.IO path, where codes are numbers.
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

    /// The payload of a rejected CONNECT: `{message, data: {code, ref, cause?, retry_after_s?}}`.
    pub(crate) fn connect_error(&self) -> String {
        let mut data = self.members();
        data.remove("message");
        json!({ "message": self.message, "data": data }).to_string()
    }

    /// The payload of a rejected CONNECT for tests of the protocol: `{message}`.
    pub(crate) fn bare_error(&self) -> String {
        let message = match self.answer.rule {
            "app" => &*self.message,
            _ => self.answer.message,
        };
        json!({ "message": message }).to_string()
    }

    /// The acknowledgement of a rejected event: `{ok: false, error: {…}}`.
    pub(crate) fn reply(&self) -> String {
        let mut json = String::with_capacity(160);
        json.push_str(r#"{"ok":false,"error":{"#);
        self.push_members(&mut json);
        json.push_str("}}");
        json
    }

    /// The payload of the event `error`, for an event without acknowledgement.
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

    /// Adds `code`, `message` and `ref`, and the optional members that have a value.
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

/// Adds a member with a text, and a comma before all members but the first.
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
    fn retry_time_is_at_least_the_real_time_and_spread() {
        for (exact_ms, least, most) in [(6_500, 7, 11), (1, 1, 2), (30_000, 30, 45), (0, 5, 8)] {
            let seen: Vec<_> = (0..1_000).map(|random| spread(exact_ms, random)).collect();
            assert_eq!(seen.iter().min(), Some(&least), "{exact_ms}");
            assert_eq!(seen.iter().max(), Some(&most), "{exact_ms}");
        }
    }

    #[test]
    fn muted_user_reads_the_end_of_the_mute() {
        let text = |until_unix_ms| {
            let denial = Denial::Muted { until_unix_ms, retry_after_ms: 1 };
            message(&denial, &denial.answer(), denial.retry_after_ms()).into_owned()
        };
        assert_eq!(text(Some(60_000)), "You are muted until 1970-01-01T00:01:00.000Z");
        assert_eq!(text(None), "You are muted");
    }

    #[test]
    fn rejection_is_valid_json_for_any_name() {
        let rejection = Rejection {
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
        let event: Value = serde_json::from_str(&rejection.error_event(Some("a\"b"))).unwrap();
        assert_eq!((&event["event"], &event["ref"]), (&json!("a\"b"), &json!("abc123")));
        let reply: Value = serde_json::from_str(&rejection.reply()).unwrap();
        assert_eq!((&reply["ok"], &reply["error"]["retry_after_s"]), (&json!(false), &json!(5)));
        assert_eq!(reply["error"]["field"], "roomId");
        assert_eq!((&event["cause"], &reply["error"]["cause"]), (&json!("depth"), &json!("depth")));
        assert_eq!(reply["error"]["outcome"], "unknown");
        let body: Value = serde_json::from_str(&rejection.http_body()).unwrap();
        assert_eq!((&body["outcome"], &body["cause"]), (&json!("unknown"), &json!("depth")));
        assert_eq!(body["message"], "Unknown event; try again in 5 s");
        let engine: Value = serde_json::from_str(&rejection.engine_body()).unwrap();
        assert_eq!((&engine["code"], &engine["cause"]), (&json!(3), &json!("depth")));
        let connect: Value = serde_json::from_str(&rejection.connect_error()).unwrap();
        assert_eq!(connect["data"]["code"], "UNKNOWN_EVENT");
        assert!(connect["data"].get("message").is_none() && connect["message"].is_string());
    }
}
