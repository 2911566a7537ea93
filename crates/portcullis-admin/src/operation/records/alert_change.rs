//! `alert:acknowledge`, `alert:silence`, `alert:unsilence`: the engine records each of them.
//! Never: a silence of A13 or A14, or one of more than seven days.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_audit::{
    Acknowledgement, Alert, AlertSeverity, Alerts, SilenceError, SilenceRequest,
};
use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::json;

use crate::message::text::harmless;
use crate::operation::call::{Call, check_reason, end_unix_ms};
use crate::operation::contract::{CHANGE, Operation};
use crate::operation::desk::{Desk, alerts};
use crate::operation::records::alerts::silence;

/// Longest silence: seven days, in seconds.
const SILENCE_MAX_S: u64 = 7 * 24 * 3_600;
/// The greatest age of the login for a silence of all rules, in seconds.
const ALL_RULES_LOGIN_MAX_AGE_S: i64 = 300;

/// `alert:acknowledge {id, reason}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertAcknowledge {
    id: String,
    reason: String,
}

impl Event for AlertAcknowledge {
    const NAME: &'static str = "alert:acknowledge";
    const RULE: Rule = Rule { fields: &["id", "reason"], ..CHANGE };
}

impl Operation for AlertAcknowledge {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let acknowledgement =
            Acknowledgement { by: call.by(), note: self.reason, unix_ms: call.now.unix_ms };
        if alerts(&call.services)?.acknowledge(&self.id, acknowledgement, call.now) {
            return Ok(Reply::ok());
        }
        Err(unknown_alert())
    }
}

/// The key of the alerts that are silenced.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    kind: String,
    value: String,
}

impl Key {
    /// The key as the engine has it. A value that an open alert shows escaped or shortened is the
    /// value of that alert.
    fn of_alert(&self, open: &[Alert]) -> Result<(String, String), Denial> {
        let keys = open.iter().filter_map(|alert| alert.key.as_ref());
        let values = keys.filter(|key| key.kind == self.kind).map(|key| key.value.as_str());
        let values: BTreeSet<&str> = values.collect();
        self.of_values(&values)
    }

    fn of_values(&self, values: &BTreeSet<&str>) -> Result<(String, String), Denial> {
        if values.contains(self.value.as_str()) {
            return Ok((self.kind.clone(), self.value.clone()));
        }
        let mut shown = values.iter().filter(|value| harmless(value) == self.value);
        match (shown.next(), shown.next()) {
            (None, _) => Ok((self.kind.clone(), self.value.clone())),
            (Some(only), None) => Ok((self.kind.clone(), String::from(*only))),
            (Some(_), Some(_)) => {
                let why = "several open alerts show this key: silence them by their rule";
                Err(Denial::app("key_ambiguous", why))
            }
        }
    }
}

/// `alert:silence {alert}` or `{rule?, key?, severity?}`, and `{duration_s?, reason}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertSilence {
    /// The id of an open alert, for its rule and key: lists do not show each key as it is.
    #[serde(default)]
    alert: Option<String>,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    key: Option<Key>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    duration_s: Option<u64>,
    reason: String,
}

impl Event for AlertSilence {
    const NAME: &'static str = "alert:silence";
    const RULE: Rule =
        Rule { fields: &["alert", "rule", "key", "severity", "duration_s", "reason"], ..CHANGE };
}

impl Operation for AlertSilence {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let until_unix_ms = end_unix_ms(self.duration_s, SILENCE_MAX_S, call.now)?;
        let engine = alerts(&call.services)?;
        let (rule, key) = self.subject(engine)?;
        if rule.is_none() && key.is_none() {
            call.check_login_age(ALL_RULES_LOGIN_MAX_AGE_S)?;
        }
        let severity = self.severity.as_deref().map(severity).transpose()?;
        let request = SilenceRequest {
            rule,
            key,
            severity,
            reason: self.reason,
            by: call.by(),
            until_unix_ms,
        };
        let stored = engine.silence(request, call.now).map_err(denial)?;
        Ok(Reply::fields(&json!({ "silence": silence(&stored) })))
    }
}

/// The rule and the key of a silence.
type Subject = (Option<String>, Option<(String, String)>);

impl AlertSilence {
    fn subject(&self, engine: &Alerts) -> Result<Subject, Denial> {
        let open = engine.open();
        let key = self.key.as_ref().map(|key| key.of_alert(&open)).transpose()?;
        match (&self.alert, &self.rule, key) {
            (None, rule, key) => Ok((rule.clone(), key)),
            (Some(id), None, None) => {
                let found = open.into_iter().find(|alert| alert.id == *id);
                let alert = found.ok_or_else(unknown_alert)?;
                Ok((Some(alert.rule), alert.key.map(|key| (String::from(key.kind), key.value))))
            }
            (Some(_), _, _) => {
                let why = "write either alert, or rule and key";
                Err(Denial::app("subject_invalid", why))
            }
        }
    }
}

fn unknown_alert() -> Denial {
    Denial::app("alert_unknown", "no open alert has this id")
}

/// `alert:unsilence {id, reason}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertUnsilence {
    id: String,
    reason: String,
}

impl Event for AlertUnsilence {
    const NAME: &'static str = "alert:unsilence";
    const RULE: Rule = Rule { fields: &["id", "reason"], ..CHANGE };
}

impl Operation for AlertUnsilence {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let engine = alerts(&call.services)?;
        let id = self.id.parse::<u64>().ok();
        if !id.is_some_and(|id| engine.unsilence(id, &call.by(), call.now)) {
            return Err(Denial::app("silence_unknown", "no silence has this id"));
        }
        call.record(Self::NAME, &self.reason, |_| {});
        Ok(Reply::ok())
    }
}

fn severity(name: &str) -> Result<AlertSeverity, Denial> {
    let found = AlertSeverity::ALL.into_iter().find(|severity| severity.name() == name);
    let why = "severity must be info, medium, high or critical";
    found.ok_or_else(|| Denial::app("severity_unknown", why))
}

fn denial(error: SilenceError) -> Denial {
    Denial::app("silence_invalid", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_key_selects_the_alert_that_shows_it() {
        let long = "a".repeat(70);
        let (first, second) = (format!("{long}1"), format!("{long}2"));
        let escaped = r"x\u{202e}y";
        let open = BTreeSet::from([
            "ada",
            r#"o"b"#,
            "x\u{202e}y",
            "www.b.example",
            r"q\\r",
            r"q\r",
            &first,
            &second,
        ]);
        for (value, expect) in [
            ("ada", Some("ada")),
            ("unknown", Some("unknown")),
            (r#"o\"b"#, Some(r#"o"b"#)),
            (escaped, Some("x\u{202e}y")),
            ("www .b.example", Some("www.b.example")),
            (r"q\\r", Some(r"q\\r")),
            (&harmless(&first), None),
        ] {
            let key = Key { kind: String::from("name"), value: String::from(value) };
            let found = key.of_values(&open).ok().map(|(_, value)| value);
            assert_eq!(found.as_deref(), expect, "{value}");
        }
    }
}
