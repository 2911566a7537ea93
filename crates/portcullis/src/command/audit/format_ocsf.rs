//! A record in the Open Cybersecurity Schema Framework (OCSF 1.3.0).
//! Never: a record without an attribute that its class requires.

use portcullis_audit::parse_utc;
use portcullis_model::Code;
use serde_json::{Map, Value, json};

use super::format_ocsf_class::{Class, classify};

/// The version of the schema.
const VERSION: &str = "1.3.0";
/// Stands for a required value that the record does not have.
const UNKNOWN: &str = "unknown";

/// Converts a record.
pub(super) fn ocsf(record: &Value) -> Value {
    let (class, activity) = classify(record);
    let uid = class.uid();
    let mut event = json!({
        "activity_id": activity,
        "category_uid": uid / 1_000,
        "class_uid": uid,
        "type_uid": uid * 100 + activity,
        "time": text(record, "/@timestamp").and_then(parse_utc).unwrap_or(0),
        "severity_id": severity(record),
        "status_id": status(record),
        "metadata": metadata(record),
    });
    let Some(members) = event.as_object_mut() else { return event };
    members.extend(by_class(class, record));
    let optional = [
        ("message", text(record, "/message").map(Value::from)),
        ("status_detail", text(record, "/event/reason").map(Value::from)),
        ("src_endpoint", source(record)),
        ("http_request", http_request(record)),
        (
            "http_response",
            record.pointer("/http/response/status_code").map(|it| json!({"code": it})),
        ),
        ("actor", user(record, "/user").map(|user| json!({ "user": user }))),
        ("session", text(record, "/labels/session_hash").map(|uid| json!({ "uid": uid }))),
        ("unmapped", unmapped(record)),
    ];
    for (name, value) in optional {
        if let (Some(value), false) = (value, members.contains_key(name)) {
            members.insert(String::from(name), value);
        }
    }
    event
}

fn text<'a>(record: &'a Value, pointer: &str) -> Option<&'a str> {
    record.pointer(pointer).and_then(Value::as_str)
}

/// Attributes that a class requires, beyond those of every event.
fn by_class(class: Class, record: &Value) -> Map<String, Value> {
    let unknown = || json!({ "name": UNKNOWN });
    let actor = user(record, "/user");
    let target = user(record, "/user/target").or_else(|| actor.clone()).unwrap_or_else(unknown);
    let value = match class {
        Class::Authentication => json!({
            "user": target, "service": {"name": "portcullis"}, "is_remote": true,
        }),
        Class::AccountChange | Class::AuthorizeSession => json!({ "user": target }),
        Class::UserAccess => json!({ "user": target, "privileges": privileges(record) }),
        Class::NetworkActivity => json!({ "dst_endpoint": service(record) }),
        Class::HttpActivity => json!({
            "http_request": http_request(record).unwrap_or_else(|| json!({})),
            "dst_endpoint": service(record),
        }),
        Class::ApiActivity => json!({
            "actor": {"user": actor.unwrap_or_else(unknown)},
            "api": {"operation": operation(record)},
            "src_endpoint": source(record).unwrap_or_else(unknown),
        }),
        Class::ApplicationLifecycle => json!({ "app": product(record) }),
        Class::DetectionFinding => json!({ "finding_info": finding(record) }),
    };
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn metadata(record: &Value) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": product(record),
        "log_name": "security",
        "event_code": text(record, "/event/code").unwrap_or(UNKNOWN),
        "original_time": text(record, "/@timestamp").unwrap_or_default(),
    });
    let Some(members) = metadata.as_object_mut() else { return metadata };
    if let Some(sequence) = record.pointer("/event/sequence") {
        members.insert(String::from("sequence"), sequence.clone());
    }
    if let Some(reference) = text(record, "/trace/id") {
        members.insert(String::from("correlation_uid"), json!(reference));
    }
    metadata
}

fn product(record: &Value) -> Value {
    json!({
        "name": "Portcullis",
        "vendor_name": "Portcullis",
        "version": text(record, "/service/version").unwrap_or_default(),
    })
}

fn service(record: &Value) -> Value {
    json!({ "name": text(record, "/service/node/name").unwrap_or("portcullis") })
}

/// The user at a pointer; `None` without id and name.
fn user(record: &Value, pointer: &str) -> Option<Value> {
    let member = |name: &str| text(record, &format!("{pointer}/{name}"));
    let mut user = Map::new();
    for (name, value) in [("uid", member("id")), ("name", member("name"))] {
        if let Some(value) = value {
            user.insert(String::from(name), json!(value));
        }
    }
    (!user.is_empty()).then_some(Value::Object(user))
}

fn source(record: &Value) -> Option<Value> {
    let mut endpoint = json!({ "ip": text(record, "/source/ip")? });
    if let (Some(port), Some(members)) = (record.pointer("/source/port"), endpoint.as_object_mut())
    {
        members.insert(String::from("port"), port.clone());
    }
    Some(endpoint)
}

fn http_request(record: &Value) -> Option<Value> {
    let mut request = json!({ "http_method": text(record, "/http/request/method")? });
    let members = request.as_object_mut()?;
    if let Some(path) = text(record, "/url/path") {
        members.insert(String::from("url"), json!({ "path": path }));
    }
    if let Some(agent) = text(record, "/user_agent/original") {
        members.insert(String::from("user_agent"), json!(agent));
    }
    Some(request)
}

fn privileges(record: &Value) -> Vec<&str> {
    match text(record, "/labels/roles") {
        Some(roles) => roles.split([',', ' ']).filter(|role| !role.is_empty()).collect(),
        None => vec![UNKNOWN],
    }
}

fn operation(record: &Value) -> &str {
    let names = ["/event/action", "/rule/name", "/event/code"];
    names.iter().find_map(|pointer| text(record, pointer)).unwrap_or(UNKNOWN)
}

fn finding(record: &Value) -> Value {
    let name = text(record, "/event/code").unwrap_or(UNKNOWN);
    let code = Code::ALL.iter().find(|code| code.name() == name);
    let sequence = record.pointer("/event/sequence").map(ToString::to_string);
    let uid = text(record, "/labels/alert").or_else(|| text(record, "/trace/id"));
    let uid = uid.map(String::from).or(sequence).unwrap_or_else(|| String::from(UNKNOWN));
    json!({
        "title": code.map_or(name, |code| code.sentence()),
        "uid": uid,
        "analytic": {"name": text(record, "/rule/name").unwrap_or(name), "type_id": 1},
    })
}

/// 1 informational, 3 medium, 5 critical, 0 unknown.
fn severity(record: &Value) -> u64 {
    match text(record, "/log/level") {
        Some("info") => 1,
        Some("warning") => 3,
        Some("critical") => 5,
        Some(_) | None => 0,
    }
}

/// 1 success, 2 failure, 0 unknown.
fn status(record: &Value) -> u64 {
    match text(record, "/event/outcome") {
        Some("success") => 1,
        Some("failure") => 2,
        Some(_) | None => 0,
    }
}

/// Facts without an attribute of their own.
fn unmapped(record: &Value) -> Option<Value> {
    let mut facts = Map::new();
    for (name, pointer) in [
        ("owasp_code", "/event/code"),
        ("rule", "/rule/name"),
        ("action", "/event/action"),
        ("labels", "/labels"),
    ] {
        if let Some(value) = record.pointer(pointer) {
            facts.insert(String::from(name), value.clone());
        }
    }
    (!facts.is_empty()).then_some(Value::Object(facts))
}

#[cfg(test)]
mod tests {
    use portcullis_audit::{Audit, Outcome, Record};
    use portcullis_model::{Now, UserId};

    use super::*;

    const EVERY_EVENT: [&str; 7] = [
        "/activity_id",
        "/category_uid",
        "/class_uid",
        "/type_uid",
        "/time",
        "/severity_id",
        "/metadata/version",
    ];

    /// The attributes that OCSF 1.3.0 requires of each class; `|` separates alternatives.
    fn required(class_uid: u64) -> &'static [&'static str] {
        match class_uid {
            2_004 => &["/finding_info/title", "/finding_info/uid"],
            3_001 | 3_003 => &["/user/uid|/user/name"],
            3_002 => &["/user/uid|/user/name", "/service/name"],
            3_005 => &["/user/uid|/user/name", "/privileges/0"],
            4_001 => &["/dst_endpoint/name"],
            4_002 => &["/http_request/http_method", "/dst_endpoint/name"],
            6_002 => &["/app/name", "/app/vendor_name"],
            6_003 => &["/actor/user", "/api/operation", "/src_endpoint/ip|/src_endpoint/name"],
            _ => panic!("class {class_uid}"),
        }
    }

    fn check(record: &Value) {
        let event = ocsf(record);
        let class = event["class_uid"].as_u64().unwrap();
        let product = ["/metadata/product/name", "/metadata/product/vendor_name"];
        for attribute in EVERY_EVENT.iter().chain(&product).chain(required(class)) {
            let has = |one: &str| event.pointer(one).is_some_and(|value| !value.is_null());
            assert!(attribute.split('|').any(has), "{attribute} in {event} of {record}");
        }
        assert_eq!(event["category_uid"], class / 1_000);
        assert_eq!(event["type_uid"], class * 100 + event["activity_id"].as_u64().unwrap());
    }

    // T-378
    #[test]
    fn t378_every_record_has_the_attributes_that_its_class_requires() {
        let (audit, lines) = Audit::memory();
        let now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };
        for code in Code::ALL {
            let full = Record {
                outcome: Outcome::Failure,
                rule: "rule",
                client: "192.0.2.1".parse().ok(),
                user: UserId::parse("u_1").ok(),
                target: UserId::parse("u_2").ok(),
                method: Some(String::from("GET")),
                path: Some(String::from("/")),
                status: Some(404),
                ..Record::new(*code)
            };
            audit.record(full, now);
            audit.record(Record::new(*code), now);
        }
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 2 * Code::ALL.len());
        for line in &*lines {
            check(&serde_json::from_str(line).unwrap());
        }
        check(&json!({}));
    }

    #[test]
    fn login_and_alert_are_events_of_their_classes() {
        let login = ocsf(&json!({
            "@timestamp": "2027-01-15T08:00:00.000Z", "log": {"level": "warning"},
            "event": {"code": "authn_login_fail", "sequence": 7, "outcome": "failure",
                "reason": "password", "category": ["authentication"]},
            "source": {"ip": "192.0.2.1", "port": 5}, "user": {"name": "ada"},
        }));
        assert_eq!(login["type_uid"], 300_201);
        assert_eq!(login["time"], 1_800_000_000_000_i64);
        assert_eq!((&login["severity_id"], &login["status_id"]), (&json!(3), &json!(2)));
        assert_eq!(login["user"], json!({"name": "ada"}));
        assert_eq!(login["src_endpoint"], json!({"ip": "192.0.2.1", "port": 5}));
        assert_eq!(login["metadata"]["sequence"], 7);
        let alert = ocsf(&json!({
            "event": {"code": "alert_resolved"}, "labels": {"alert": "al_1"},
        }));
        assert_eq!(
            (&alert["type_uid"], &alert["finding_info"]["uid"]),
            (&json!(200_403), &json!("al_1"))
        );
    }
}
