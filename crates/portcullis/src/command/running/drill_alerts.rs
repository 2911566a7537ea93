//! The alerts that fired while a drill ran.
//! Never: the content of an alert about another address.

use std::collections::HashSet;
use std::net::IpAddr;

use anyhow::Result;
use serde_json::{Value, json};

use super::private_request::operate;
use crate::command::installation::Installation;
use crate::drill::report::result::{AlertCause, FiredAlert, FiredAlerts, bounded};
use crate::output::errln;

/// The open alerts, each with the time of its last event.
pub(super) fn alert_states(installation: &Installation) -> Result<HashSet<(String, String)>> {
    let answer = operate(installation, "admin:alerts", &json!({}))?;
    Ok(alerts(&answer).map(state).collect())
}

fn alerts(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("alerts").and_then(Value::as_array).into_iter().flatten()
}

fn state(alert: &Value) -> (String, String) {
    let text = |name: &str| alert.get(name).map(Value::to_string).unwrap_or_default();
    (text("id"), text("last"))
}

/// Alerts that are new, or had an event since; those about other addresses are only counted.
pub(super) fn fired_alerts(
    installation: &Installation,
    before: &HashSet<(String, String)>,
    own: Option<IpAddr>,
) -> FiredAlerts {
    let mut fired = FiredAlerts::default();
    let answer = match operate(installation, "admin:alerts", &json!({})) {
        Ok(answer) => answer,
        Err(error) => {
            errln!("warning: the alerts of the drill are unknown, the report has none: {error:#}");
            return fired;
        }
    };
    let text = |alert: &Value, name: &str| {
        bounded(alert.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    for alert in alerts(&answer).filter(|alert| !before.contains(&state(alert))) {
        let member = |name: &str| alert.pointer(&format!("/key/{name}")).and_then(Value::as_str);
        let Some(cause) = AlertCause::of(member("kind").zip(member("value")), own) else {
            fired.of_others += 1;
            continue;
        };
        fired.listed.push(FiredAlert {
            rule: text(alert, "rule"),
            title: text(alert, "title"),
            severity: text(alert, "severity"),
            cause,
        });
    }
    fired
}
