//! The rule and the time of a reference, which also a rejection without a record has.
//! Never: the client that was rejected; only a record says that.

use portcullis_audit::utc;
use portcullis_guard::{REFERENCE_STEP_S, ReferenceFacts};
use portcullis_model::{Now, Retry, Violation, rule_text};
use serde_json::{Value, json};

use crate::operation::desk::Desk;

/// The content of a reference; `null` when this server has not made it.
pub(crate) fn explain(desk: &Desk, reference: &str, now: Now) -> Value {
    desk.reference(reference, now).map_or(Value::Null, |facts| view(&facts))
}

fn view(facts: &ReferenceFacts) -> Value {
    let answer = &facts.answer;
    let (retry, retry_after_ms) = match answer.retry {
        Retry::Never => ("never", None),
        Retry::AfterMs(wait_ms) => ("later", Some(wait_ms)),
        Retry::Given => ("later", None),
    };
    json!({
        "rule": answer.rule,
        "rule_text": rule_text(answer.rule),
        "reason": answer.reason,
        "at": utc(facts.unix_ms),
        "within_s": REFERENCE_STEP_S,
        "event_code": answer.event.name(),
        "meaning": answer.event.sentence(),
        "code": answer.code,
        "message": answer.message,
        "status": answer.status,
        "retry": retry,
        "retry_after_ms": retry_after_ms,
        "violation": answer.violation == Violation::Counts,
    })
}

#[cfg(test)]
mod tests {
    use portcullis_guard::ReferenceKey;
    use portcullis_model::{Denial, Limit};

    use super::*;

    #[test]
    fn t377_reference_without_a_record_has_rule_and_time() {
        let now = Now { monotonic_ms: 0, unix_ms: 1_790_824_365_123 };
        let (own, other) = (ReferenceKey::new([7; 16]), ReferenceKey::new([8; 16]));
        let denial = Denial::Limit { limit: Limit::ConnectPerPrefix, retry_after_ms: 5 };
        let made = |key: &ReferenceKey| key.reference(&denial.answer(), now, 3, 1).unwrap();
        let (reference, foreign) = (made(&own), made(&other));
        let desk = Desk::default();
        assert_eq!(explain(&desk, reference.as_str(), now), Value::Null, "no keys");
        desk.attach_references(vec![ReferenceKey::new([9; 16]), own]);
        let explained = explain(&desk, reference.as_str(), now);
        let expect = json!(denial.answer().rule);
        assert_eq!((&explained["rule"], &explained["within_s"]), (&expect, &json!(4)));
        assert_eq!(explained["rule_text"], "too many connection attempts from one network");
        assert_eq!(explained["at"], "2026-10-01T03:12:44.000Z", "{explained}");
        assert_eq!(explained["event_code"], "excess_rate_limit_exceeded", "{explained}");
        for text in [foreign.as_str(), "", "k3v9", "0123456789au"] {
            assert_eq!(explain(&desk, text, now), Value::Null, "{text}");
        }
    }
}
