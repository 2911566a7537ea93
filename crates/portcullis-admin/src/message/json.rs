//! An alert as JSON, as webhooks with the shape `standard` and administrators' sockets get it.
//! Never: a link; `key.value` is text that a client may have chosen.

use portcullis_audit::{
    Acknowledgement, Alert, AlertKey, AlertThreshold, Evidence, Suggestion, utc,
};
use portcullis_model::Now;
use serde_json::{Map, Value, json};

use crate::message::text::harmless;

/// The message: `{"type": "alert.firing", "timestamp": …, "data": {…}}`.
pub(crate) fn standard(alert: &Alert, now: Now) -> Value {
    json!({
        "type": format!("alert.{}", alert.state.name()),
        "timestamp": utc(now.unix_ms),
        "data": data(alert),
    })
}

/// The alert alone.
pub(crate) fn data(alert: &Alert) -> Value {
    let counts = &alert.counts;
    let distinct = counts.distinct.iter().map(|(name, count)| ((*name).to_owned(), json!(count)));
    let threshold =
        counts.threshold.map(|(count, window_s)| json!({"count": count, "window_s": window_s}));
    let thresholds: Vec<_> = counts.thresholds.iter().map(threshold_view).collect();
    let group: Vec<_> = alert.group.iter().map(counted_key).collect();
    json!({
        "id": alert.id,
        "rule": alert.rule,
        "title": alert.title,
        "severity": alert.severity.name(),
        "state": alert.state.name(),
        "key": alert.key.as_ref().map(key),
        "count": counts.events,
        "distinct": Value::Object(distinct.collect::<Map<_, _>>()),
        "threshold": threshold,
        "thresholds": thresholds,
        "first": utc(counts.first_unix_ms),
        "last": utc(counts.last_unix_ms),
        "reopened": counts.reopened,
        "acknowledged": alert.acknowledged.as_ref().map(acknowledgement),
        "group": (!group.is_empty()).then_some(group),
        "evidence": alert.evidence.iter().map(evidence).collect::<Vec<_>>(),
        "suggest": alert.suggest.iter().map(suggestion).collect::<Vec<_>>(),
        "node": alert.origin.node,
        "fingerprint": alert.origin.fingerprint,
        "test": alert.origin.test,
        "note": alert.origin.note,
    })
}

fn threshold_view(threshold: &AlertThreshold) -> Value {
    let (count, window_s) = threshold.count.unzip();
    json!({
        "text": threshold.text,
        "count": count,
        "window_s": window_s,
        "severity": threshold.severity.name(),
        "reached": threshold.reached,
    })
}

fn key(key: &AlertKey) -> Value {
    json!({"kind": key.kind, "value": harmless(&key.value)})
}

fn counted_key((key, count): &(AlertKey, u64)) -> Value {
    json!({"kind": key.kind, "value": harmless(&key.value), "count": count})
}

fn acknowledgement(found: &Acknowledgement) -> Value {
    json!({"by": found.by, "note": found.note, "time": utc(found.unix_ms)})
}

fn evidence(evidence: &Evidence) -> Value {
    let reference = evidence.reference.as_ref().map(ToString::to_string);
    json!({"sequence": evidence.sequence, "ref": reference})
}

fn suggestion(suggestion: &Suggestion) -> Value {
    match suggestion {
        Suggestion::BlockAddress { prefix, duration_s } => {
            json!({"act": "address:block", "prefix": prefix, "duration_s": duration_s})
        }
        Suggestion::EndSessions { user } => json!({"act": "session:end", "user": user}),
    }
}
