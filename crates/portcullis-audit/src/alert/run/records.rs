//! Alerts, and what administrators do with them, as records of the log.
//! Never: text of a client in `message`.

use portcullis_model::{Code, Severity, UserId};

use crate::alert::incident::silence::Silence;
use crate::alert::notification::{Alert, AlertSeverity};
use crate::alert::rule::builtin::CLOCK_STEP;
use crate::record::fields::{Outcome, Record};

/// The rule of records about alerts.
const RULE: &str = "alert";

/// The record of a message: `alert_fired`, or `alert_resolved`.
pub(crate) fn of_alert(alert: &Alert) -> Record {
    let code = if alert.state.is_open() { Code::AlertFired } else { Code::AlertResolved };
    let mut record = Record::new(code);
    record.rule = RULE;
    record.reason = alert.state.name();
    record.severity = match alert.severity {
        AlertSeverity::Info => Severity::Info,
        AlertSeverity::Medium | AlertSeverity::High => Severity::Warning,
        AlertSeverity::Critical => Severity::Critical,
    };
    let (rule, severity, events) = (&alert.rule, alert.severity.name(), alert.counts.events);
    let title = &alert.title;
    record.detail = Some(format!("{rule} {severity}: {title}; {events} events"));
    record.labels.push(("alert", alert.id.clone()));
    if let Some(key) = &alert.key {
        let value = key.value.clone();
        match key.kind {
            "user" => record.user = UserId::parse(&value).ok(),
            "name" => record.user_name = Some(value),
            "origin" => record.origin = Some(value),
            "room" => record.labels.push(("room", value)),
            "prefix" => record.labels.push(("address", value)),
            _ => record.labels.push(("alert_key", value)),
        }
    }
    record
}

/// An administrator took note of an alert.
pub(crate) fn acknowledged(id: &str, by: &str, note: &str) -> Record {
    let mut record = operation(Code::AlertAcknowledged, by, note);
    record.labels.push(("alert", String::from(id)));
    record
}

/// A silence began (`silenced`) or was ended early (`unsilenced`).
pub(crate) fn silenced(silence: &Silence, by: &str, reason: &'static str) -> Record {
    let request = &silence.request;
    let mut record = operation(Code::AlertSilenced, by, &request.reason);
    record.reason = reason;
    let rule = request.rule.as_deref().unwrap_or("every rule but A13 and A14");
    let until = crate::record::timestamp::utc(request.until_unix_ms);
    record.detail = Some(format!("silence {} of {rule}, until {until}", silence.id));
    if let Some((kind, value)) = &request.key {
        record.labels.push(("party", format!("{kind} {value}")));
    }
    record
}

fn operation(code: Code, by: &str, stated_reason: &str) -> Record {
    let mut record = Record::new(code);
    record.rule = RULE;
    record.outcome = Outcome::Success;
    record.user_name = Some(String::from(by));
    if !stated_reason.is_empty() {
        record.labels.push(("stated_reason", String::from(stated_reason)));
    }
    record
}

/// The engine failed and was started again.
pub(crate) fn engine_crash() -> Record {
    let mut record = Record::new(Code::SysCrash);
    record.outcome = Outcome::Failure;
    record.rule = "alert_engine";
    record.reason = "panic";
    record.detail = Some(String::from("the alert engine failed and starts again"));
    record
}

/// The record of a clock of the machine that was set.
#[must_use]
pub fn clock_step(step_ms: i64) -> Record {
    let mut record = Record::new(Code::ClockSkew);
    record.severity = Severity::Warning;
    record.outcome = Outcome::Success;
    record.rule = CLOCK_STEP;
    record.reason = if step_ms < 0 { "back" } else { "ahead" };
    record.detail = Some(format!("the clock was set by {step_ms} ms"));
    record
}

/// The state file cannot be used; alerts begin anew.
pub(crate) fn state_broken(detail: String) -> Record {
    let mut record = Record::new(Code::SysMonitorDisabled);
    record.outcome = Outcome::Failure;
    record.rule = "alert_state";
    record.reason = "broken";
    record.detail = Some(detail);
    record
}
