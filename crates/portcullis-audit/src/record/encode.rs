//! One record as one line of ECS JSON (Elastic Common Schema 8.11).
//! Never: a byte that a terminal, a log viewer or a line reader could execute as a command.

use std::fmt::Write;

use portcullis_model::{Code, Now, Severity};

use crate::chain::hash::{ChainHash, Salt};
use crate::chain::line::seal_line;
use crate::record::address::RecordedAddress;
use crate::record::fields::Record;
use crate::record::json_line::JsonLine;
use crate::record::service::Service;
use crate::record::timestamp::write_utc;

/// Labels that cannot identify a person. Every other label can: a new one is personal until it
/// stands here.
const PUBLIC_LABELS: [&str; 19] = [
    "alert",
    "blocked",
    "certificate",
    "close_code",
    "conn_id",
    "count",
    "field",
    "first",
    "issuer",
    "key_id",
    "last",
    "limit_key",
    "note",
    "origin",
    "retry_after_ms",
    "roles",
    "room",
    "session_hash",
    "suppressed",
];

/// Whether a label of a record can identify a person: typed text, users, addresses.
#[must_use]
pub fn is_personal_label(name: &str) -> bool {
    !PUBLIC_LABELS.contains(&name)
}

/// Appends one record as one line, including `\n`.
///
/// A line without a sequence number is printed only; the log's file does not have it (yet).
pub(crate) fn encode(
    out: &mut String,
    record: &Record,
    now: Now,
    sequence: Option<u64>,
    service: &Service,
) {
    let mut line = JsonLine(std::mem::take(out));
    encode_public(&mut line, record, now, sequence, service);
    encode_personal(&mut line, record, now, service);
    line.0.push_str("}\n");
    *out = line.0;
}

/// Appends one record as one line of the hash chain, including `\n`; returns its hash.
///
/// `opens` is the name of the log, for the first line of a file.
pub(crate) fn encode_sealed(
    out: &mut String,
    record: &Record,
    (now, sequence): (Now, u64),
    service: &Service,
    (salt, before): (&Salt, &ChainHash),
    opens: Option<&str>,
) -> ChainHash {
    let start = out.len();
    let mut line = JsonLine(std::mem::take(out));
    encode_public(&mut line, record, now, Some(sequence), service);
    if let Some(name) = opens {
        // A name has no character that JSON would have to escape.
        let _ = write!(line.0, ",\"chain\":{{\"log\":\"{name}\",\"previous\":\"{before}\"}}");
    }
    let personal = line.0.len();
    encode_personal(&mut line, record, now, service);
    *out = line.0;
    seal_line(out, start, personal, salt, before)
}

/// The members that cannot identify a person.
fn encode_public(
    line: &mut JsonLine,
    record: &Record,
    now: Now,
    sequence: Option<u64>,
    service: &Service,
) {
    line.0.push('{');
    line.key("@timestamp");
    line.0.push('"');
    write_utc(&mut line.0, now.unix_ms);
    line.0.push('"');
    line.open("log");
    line.text("level", record.severity.name());
    line.close();
    encode_event(line, record, sequence);
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
    encode_http(line, record);
    if !has_personal_label(record) {
        encode_labels(line, record, now, service);
    }
    line.comma();
    line.0.push_str(service.members());
    line.0.push_str(",\"ecs\":{\"version\":\"8.11.0\"}");
}

/// The members that can identify a person; they can be erased.
fn encode_personal(line: &mut JsonLine, record: &Record, now: Now, service: &Service) {
    encode_client_and_user(line, record, now, service);
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
    if has_personal_label(record) {
        encode_labels(line, record, now, service);
    }
}

/// Whether one of the labels can identify a person: then all of them are personal.
fn has_personal_label(record: &Record) -> bool {
    record.labels.iter().any(|(name, _)| is_personal_label(name))
}

fn encode_event(line: &mut JsonLine, record: &Record, sequence: Option<u64>) {
    let (category, kind) = category_and_type(record.code);
    line.open("event");
    let is_alert = matches!(record.code, Code::AlertFired | Code::AlertResolved);
    line.text("kind", if is_alert { "alert" } else { "event" });
    line.text("code", record.code.name());
    line.list("category", category);
    line.list("type", kind);
    line.text("outcome", record.outcome.name());
    line.number("severity", severity_number(record.severity));
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

fn encode_client_and_user(line: &mut JsonLine, record: &Record, now: Now, service: &Service) {
    if let Some(client) = record.client {
        line.open("source");
        match service.addresses().recorded(client, now.unix_ms) {
            RecordedAddress::Whole(address) => {
                line.key("ip");
                let _ = write!(line.0, "\"{address}\"");
                if let Some(port) = record.port {
                    line.number("port", u64::from(port));
                }
            }
            RecordedAddress::Network(network) => {
                line.key("ip");
                let _ = write!(line.0, "\"{network}\"");
            }
            RecordedAddress::Pseudonym(pseudonym) => line.text("address", &pseudonym),
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

fn encode_http(line: &mut JsonLine, record: &Record) {
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
}

/// ECS labels are texts; numbers are written as texts too.
fn encode_labels(line: &mut JsonLine, record: &Record, now: Now, service: &Service) {
    let has_labels = record.connection.is_some()
        || record.session.is_some()
        || record.origin.is_some()
        || record.field.is_some()
        || record.limit.is_some()
        || !record.labels.is_empty()
        || record.suppressed > 0;
    if !has_labels {
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
        if matches!(*name, "address" | "party") {
            line.text(name, &service.addresses().label(text, now.unix_ms));
        } else {
            line.text(name, text);
        }
    }
    if record.suppressed > 0 {
        line.key("suppressed");
        let _ = write!(line.0, "\"{}\"", record.suppressed);
    }
    line.close();
}

/// `event.category` and `event.type`, from the values that ECS allows.
#[rustfmt::skip] // one code a line would be too long a function
fn category_and_type(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::AuthnLoginSuccess
        | Code::AuthnLoginSuccessAfterFail
        | Code::AuthnLoginFail
        | Code::AuthnLoginFailMax
        | Code::AuthnLoginLock
        | Code::AuthnPasswordChange
        | Code::AuthnPasswordChangeFail
        | Code::AuthnTokenCreated | Code::AuthnTokenRevoked
        | Code::AuthnTokenReuse => ("authentication", "start"),
        Code::AuthzChange | Code::AuthzAdmin | Code::UserCreated
        | Code::UserUpdated | Code::PrivilegePermissionsChanged => ("iam", "change"),
        Code::PersonalDataRead => ("iam", "info"),
        Code::SessionCreated | Code::WsConnected => ("session", "start"),
        Code::SessionRenewed
        | Code::SessionExpired
        | Code::SessionRevoked | Code::SessionLogout
        | Code::SessionUseAfterExpire
        | Code::WsDisconnected => ("session", "end"),
        Code::SysStartup => ("process", "start"),
        Code::SysShutdown | Code::SysCrash => ("process", "end"),
        Code::SysReload | Code::CertificateRenewal
        | Code::SysOverload
        | Code::SysMonitorDisabled | Code::SysMonitorEnabled
        | Code::TableNearlyFull
        | Code::DegradationStateChanged
        | Code::StorageStateChanged
        | Code::AuthorityUnconfirmed
        | Code::TableFull | Code::TableShareFull
        | Code::ClockSkew
        | Code::LogSuppressed
        | Code::LogLost | Code::AlertUndelivered
        | Code::LogRotated
        | Code::LogReplaced
        | Code::LogRemoved | Code::LogErased | Code::DiskSlow
        | Code::LogEpoch | Code::LogCheckpoint | Code::LogHeartbeat | Code::LogTruncated
        | Code::LogTorn | Code::AuditReport | Code::AuditFinding
        | Code::DrillStarted | Code::DrillEnded => ("process", "info"),
        Code::BackupCreated | Code::BackupRestored => ("database", "info"),
        Code::AlertFired | Code::AlertResolved => ("intrusion_detection", "info"),
        Code::AlertSilenced | Code::AlertAcknowledged | Code::BlockEnded
        | Code::KeyRotated | Code::IssuerKeys => ("configuration", "change"),
        Code::Access | Code::AppRejected => ("web", "info"),
        Code::AuthzFail
        | Code::CryptDecryptFail
        | Code::CryptEncryptFail
        | Code::ExcessRateLimitExceeded
        | Code::ExcessSessionsExceeded
        | Code::NetworkBlocked
        | Code::InputValidationFail
        | Code::MaliciousExcess404
        | Code::MaliciousExtraneous
        | Code::MaliciousDirectReference
        | Code::MaliciousCsrf | Code::MaliciousCspViolation
        | Code::SequenceFail
        | Code::SpamDetected | Code::XssAttempt
        | Code::WsProtocolViolation => ("intrusion_detection", "denied"),
    }
}

fn severity_number(severity: Severity) -> u64 {
    match severity {
        Severity::Info => 20,
        Severity::Warning => 50,
        Severity::Critical => 80,
    }
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
    fn full_record_is_one_line_of_ecs() {
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

    // T-368: a part that can identify a person can be erased.
    #[test]
    fn t368_label_that_can_identify_a_person_is_behind_the_public_part() {
        let public = |labels: &[&'static str]| {
            let mut record = Record::new(Code::AlertFired);
            record.labels = labels.iter().map(|name| (*name, String::from("ada"))).collect();
            let line = line(&record);
            let (public, personal) = line.split_once(",\"ecs\":").unwrap();
            (public.contains("ada"), personal.contains("ada"))
        };
        for name in ["alert_key", "party", "address", "stated_reason", "label_of_tomorrow"] {
            assert_eq!(public(&[name]), (false, true), "{name}");
            assert_eq!(public(&["alert", name]), (false, true), "{name}");
        }
        for name in PUBLIC_LABELS {
            assert_eq!(public(&[name]), (true, false), "{name}");
        }
    }

    #[test]
    fn unset_fields_are_absent() {
        let read: Value = serde_json::from_str(&line(&Record::new(Code::SysStartup))).unwrap();
        let names: Vec<_> = read.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["@timestamp", "ecs", "event", "log", "service"]);
        assert_eq!(read["event"]["outcome"], "unknown");
    }

    // T-161: no text of a client can end the line, forge another line, or colour a terminal.
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
}
