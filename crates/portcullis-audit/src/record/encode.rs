//! One record as one line of ECS JSON (Elastic Common Schema 8.11).
//! Never: a byte that a terminal, a log viewer or a line reader could take for a command.

use std::fmt::Write;

use portcullis_model::{Code, Now, Severity};

use crate::record::fields::Record;
use crate::record::service::Service;

/// Appends one record as one line, `\n` included.
///
/// Without a number the line says that the log's file does not have it (yet).
pub(crate) fn encode(
    out: &mut String,
    record: &Record,
    now: Now,
    sequence: Option<u64>,
    service: &Service,
) {
    let mut line = Line(std::mem::take(out));
    line.0.push('{');
    line.key("@timestamp");
    line.0.push('"');
    timestamp(&mut line.0, now.unix_ms);
    line.0.push('"');
    line.open("log");
    line.text("level", record.severity.name());
    line.close();
    event(&mut line, record, sequence);
    if let Some(detail) = &record.detail {
        line.text("message", detail);
    }
    if !record.rule.is_empty() {
        line.open("rule");
        line.text("name", record.rule);
        line.close();
    }
    if let Some(reference) = &record.reference {
        line.open("trace");
        line.text("id", reference.as_str());
        line.close();
    }
    who(&mut line, record);
    request(&mut line, record);
    labels(&mut line, record, service);
    line.comma();
    line.0.push_str(service.members());
    line.0.push_str(",\"ecs\":{\"version\":\"8.11.0\"}}\n");
    *out = line.0;
}

fn event(line: &mut Line, record: &Record, sequence: Option<u64>) {
    let (category, kind) = class(record.code);
    line.open("event");
    line.text("kind", "event");
    line.text("code", record.code.name());
    line.list("category", category);
    line.list("type", kind);
    line.text("outcome", record.outcome.name());
    line.number("severity", severity(record.severity));
    if !record.reason.is_empty() {
        line.text("reason", record.reason);
    }
    if let Some(action) = &record.event {
        line.text("action", action);
    }
    if let Some(sequence) = sequence {
        line.number("sequence", sequence);
    }
    line.close();
}

fn who(line: &mut Line, record: &Record) {
    if let Some(client) = record.client {
        line.open("source");
        line.key("ip");
        let _ = write!(line.0, "\"{}\"", client.to_canonical());
        if let Some(port) = record.port {
            line.number("port", u64::from(port));
        }
        line.close();
    }
    if record.user.is_some() || record.user_name.is_some() || record.target.is_some() {
        line.open("user");
        if let Some(user) = &record.user {
            line.text("id", user.as_str());
        }
        if let Some(name) = &record.user_name {
            line.text("name", name);
        }
        if let Some(target) = &record.target {
            line.open("target");
            line.text("id", target.as_str());
            if let Some(name) = &record.target_name {
                line.text("name", name);
            }
            line.close();
        }
        line.close();
    }
}

fn request(line: &mut Line, record: &Record) {
    if record.method.is_some() || record.status.is_some() {
        line.open("http");
        if let Some(method) = &record.method {
            line.open("request");
            line.text("method", method);
            line.close();
        }
        if let Some(status) = record.status {
            line.open("response");
            line.number("status_code", u64::from(status));
            line.close();
        }
        line.close();
    }
    if let Some(path) = &record.path {
        line.open("url");
        line.text("path", path);
        line.close();
    }
    if let Some(user_agent) = &record.user_agent {
        line.open("user_agent");
        line.text("original", user_agent);
        line.close();
    }
}

/// ECS labels are texts, numbers included.
fn labels(line: &mut Line, record: &Record, service: &Service) {
    let none = record.connection.is_none() && record.origin.is_none() && record.limit.is_none();
    let none = none && record.field.is_none() && record.session.is_none();
    if none && record.labels.is_empty() && record.suppressed == 0 {
        return;
    }
    line.open("labels");
    if let Some(connection) = record.connection {
        line.key("conn_id");
        let _ = write!(line.0, "\"{connection}\"");
    }
    if let Some(session) = &record.session {
        line.key("session_hash");
        let _ = write!(line.0, "\"{}\"", service.session_hash(session));
    }
    if let Some(origin) = &record.origin {
        line.text("origin", origin);
    }
    if let Some(field) = &record.field {
        line.text("field", field);
    }
    if let Some((key, retry_after_ms)) = record.limit {
        line.text("limit_key", key.name());
        line.key("retry_after_ms");
        let _ = write!(line.0, "\"{retry_after_ms}\"");
    }
    for (name, text) in &record.labels {
        line.text(name, text);
    }
    if record.suppressed > 0 {
        line.key("suppressed");
        let _ = write!(line.0, "\"{}\"", record.suppressed);
    }
    line.close();
}

/// `event.category` and `event.type`, from the words ECS allows.
#[rustfmt::skip] // one code a line would be too long a function
fn class(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::AuthnLoginSuccess
        | Code::AuthnLoginSuccessAfterFail
        | Code::AuthnLoginFail
        | Code::AuthnLoginFailMax
        | Code::AuthnLoginLock
        | Code::AuthnPasswordChange
        | Code::AuthnPasswordChangeFail
        | Code::AuthnTokenCreated
        | Code::AuthnTokenRevoked
        | Code::AuthnTokenReuse => ("authentication", "start"),
        Code::AuthzChange
        | Code::AuthzAdmin
        | Code::UserCreated
        | Code::UserUpdated
        | Code::PrivilegePermissionsChanged => ("iam", "change"),
        Code::SessionCreated | Code::WsConnected => ("session", "start"),
        Code::SessionRenewed
        | Code::SessionExpired
        | Code::SessionRevoked
        | Code::SessionLogout
        | Code::SessionUseAfterExpire
        | Code::WsDisconnected => ("session", "end"),
        Code::SysStartup => ("process", "start"),
        Code::SysShutdown | Code::SysCrash => ("process", "end"),
        Code::SysReload
        | Code::SysOverload
        | Code::SysMonitorDisabled
        | Code::SysMonitorEnabled
        | Code::TableNearlyFull
        | Code::DegradationStateChanged
        | Code::StorageStateChanged
        | Code::AuthorityUnconfirmed
        | Code::TableFull
        | Code::TableShareFull
        | Code::ClockSkew
        | Code::LogSuppressed
        | Code::LogLost
        | Code::LogRotated
        | Code::LogReplaced
        | Code::LogRemoved
        | Code::DiskSlow => ("process", "info"),
        Code::KeyRotated | Code::IssuerKeys => ("configuration", "change"),
        Code::Access | Code::AppRejected => ("web", "info"),
        Code::AuthzFail
        | Code::CryptDecryptFail
        | Code::CryptEncryptFail
        | Code::ExcessRateLimitExceeded
        | Code::ExcessSessionsExceeded
        | Code::InputValidationFail
        | Code::MaliciousExcess404
        | Code::MaliciousExtraneous
        | Code::MaliciousDirectReference
        | Code::MaliciousCsrf
        | Code::SequenceFail
        | Code::SpamDetected | Code::XssAttempt
        | Code::WsProtocolViolation => ("intrusion_detection", "denied"),
    }
}

fn severity(severity: Severity) -> u64 {
    match severity {
        Severity::Info => 20,
        Severity::Warning => 50,
        Severity::Critical => 80,
    }
}

/// A JSON object that is being written, commas and quotes kept straight.
pub(crate) struct Line(pub(crate) String);

impl Line {
    fn comma(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with('{') {
            self.0.push(',');
        }
    }

    /// Names are our own constants and need no escaping.
    fn key(&mut self, name: &'static str) {
        self.comma();
        let _ = write!(self.0, "\"{name}\":");
    }

    pub(crate) fn open(&mut self, name: &'static str) {
        self.key(name);
        self.0.push('{');
    }

    pub(crate) fn close(&mut self) {
        self.0.push('}');
    }

    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.key(name);
        self.0.push('"');
        escape(&mut self.0, value);
        self.0.push('"');
    }

    fn list(&mut self, name: &'static str, only: &'static str) {
        self.key(name);
        let _ = write!(self.0, "[\"{only}\"]");
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.key(name);
        let _ = write!(self.0, "{value}");
    }
}

/// Escapes what JSON needs (RFC 8259 section 7) and what could fool a reader of the log.
fn escape(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (at, character) in text.char_indices() {
        if !is_special(character) {
            continue;
        }
        out.push_str(text.get(plain_from..at).unwrap_or_default());
        plain_from = at + character.len_utf8();
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
}

fn is_special(character: char) -> bool {
    match character {
        '"' | '\\' => true,
        ' '..='~' => false,
        // C0, DEL, C1; line and paragraph separators; marks, embeddings, overrides and isolates
        // that turn the direction of what is shown; the byte order mark.
        '\0'..='\u{9f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => true,
        _ => false,
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC, as in every record.
#[must_use]
pub fn utc(unix_ms: i64) -> String {
    let mut text = String::new();
    timestamp(&mut text, unix_ms);
    text
}

/// Writes milliseconds since 1970 as RFC 3339 in UTC.
fn timestamp(out: &mut String, unix_ms: i64) {
    const DAY_MS: i64 = 86_400_000;
    let (days, in_day) = (unix_ms.div_euclid(DAY_MS), unix_ms.rem_euclid(DAY_MS));
    // Days since 0000-03-01, so that a leap day ends its year; 400 years are 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    let _ =
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use portcullis_model::{ConnectionId, Reference, Secret, UserId};
    use serde_json::{Value, json};

    use super::*;
    use crate::options::AuditOptions;
    use crate::record::fields::Outcome;

    fn line(record: &Record) -> String {
        let options = AuditOptions {
            service_version: String::from("1.2.3"),
            node_name: String::from("a"),
            session_key: Some(Secret::new(vec![7; 32])),
            ..AuditOptions::default()
        };
        let mut out = String::new();
        let now = Now { monotonic_ms: 5, unix_ms: 1_785_585_600_123 };
        encode(&mut out, record, now, Some(7), &Service::new(&options));
        out
    }

    #[test]
    fn a_full_record_is_one_line_of_ecs() {
        let mut record = Record::new(Code::AuthnLoginFail);
        record.outcome = Outcome::Failure;
        record.rule = "login";
        record.reason = "password";
        record.reference = Reference::parse("abc123").ok();
        record.client = "::ffff:192.0.2.7".parse::<IpAddr>().ok();
        record.port = Some(1234);
        record.user = UserId::parse("u1").ok();
        record.user_name = Some(String::from("Ann"));
        record.connection = Some(ConnectionId { shard: 1, number: 2 });
        record.event = Some(String::from("chat:send"));
        record.method = Some(String::from("POST"));
        record.path = Some(String::from("/auth/login"));
        record.status = Some(401);
        record.origin = Some(String::from("https://chat.example"));
        record.user_agent = Some(String::from("Firefox"));
        record.detail = Some(String::from("wrong"));
        record.suppressed = 3;
        record.target = UserId::parse("u2").ok();
        record.labels.push(("room", String::from("r1")));
        record.session = Some(Secret::new(String::from("s1")));
        let line = line(&record);
        assert!(line.ends_with("}\n") && line.trim_end().lines().count() == 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        let expect = json!({
            "@timestamp": "2026-08-01T12:00:00.123Z",
            "log": {"level": "warning"},
            "event": {
                "kind": "event", "code": "authn_login_fail", "category": ["authentication"],
                "type": ["start"], "outcome": "failure", "severity": 50, "reason": "password",
                "action": "chat:send", "sequence": 7,
            },
            "message": "wrong",
            "rule": {"name": "login"},
            "trace": {"id": "abc123"},
            "source": {"ip": "192.0.2.7", "port": 1234},
            "user": {"id": "u1", "name": "Ann", "target": {"id": "u2"}},
            "http": {"request": {"method": "POST"}, "response": {"status_code": 401}},
            "url": {"path": "/auth/login"},
            "user_agent": {"original": "Firefox"},
            "labels": {
                "conn_id": "1-2", "session_hash": "36fe98a2f1ef20bcf824",
                "origin": "https://chat.example",
                "room": "r1", "suppressed": "3",
            },
            "service": {"name": "portcullis", "version": "1.2.3", "node": {"name": "a"}},
            "ecs": {"version": "8.11.0"},
        });
        assert_eq!(read, expect);
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let read: Value = serde_json::from_str(&line(&Record::new(Code::SysStartup))).unwrap();
        let names: Vec<_> = read.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["@timestamp", "ecs", "event", "log", "service"]);
        assert_eq!(read["event"]["outcome"], "unknown");
    }

    // T-161: nothing a peer sends can end the line, forge another, or colour a terminal.
    #[test]
    fn hostile_text_stays_inside_its_string() {
        let cases = [
            ("a\"b\\c", "a\\\"b\\\\c"),
            ("x\r\n{\"event\":1}", "x\\u000d\\u000a{\\\"event\\\":1}"),
            ("\u{1b}[31mred\u{7f}", "\\u001b[31mred\\u007f"),
            ("\u{85}\u{9b}", "\\u0085\\u009b"),
            ("\u{2028}\u{2029}", "\\u2028\\u2029"),
            ("\u{202e}txt\u{2066}\u{2069}\u{200f}", "\\u202etxt\\u2066\\u2069\\u200f"),
            ("\0", "\\u0000"),
            ("gr\u{fc}n \u{1f600} \u{a0}", "gr\u{fc}n \u{1f600} \u{a0}"),
            ("${jndi:ldap://x} %s \u{fffd}", "${jndi:ldap://x} %s \u{fffd}"),
        ];
        for (text, expect) in cases {
            let mut record = Record::new(Code::InputValidationFail);
            record.field = Some(text.to_owned());
            record.user_agent = Some(text.to_owned());
            let line = line(&record);
            assert!(line.contains(&format!("\"original\":\"{expect}\"")), "{line}");
            assert!(line.contains(&format!("\"field\":\"{expect}\"")), "{line}");
            assert_eq!(line.lines().count(), 1);
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["user_agent"]["original"], text);
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (unix_ms, expect) in cases {
            let mut out = String::new();
            timestamp(&mut out, unix_ms);
            assert_eq!(out, expect);
        }
    }
}
