//! `admin:alerts {}`: the open and the resolved alerts, and the silences.
//! Never: text of clients that is not made harmless.

use std::sync::Arc;

use portcullis_audit::{Alert, Silence, utc};
use portcullis_guard::{Event, Rule};
use portcullis_model::{Denial, UserId};
use portcullis_server::{Reply, Services};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::json::data;
use crate::message::text::harmless;
use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::{Desk, alerts};

/// Most resolved alerts of an answer.
const RESOLVED_MAX: usize = 50;

/// `admin:alerts {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminAlerts {}

impl Event for AdminAlerts {
    const NAME: &'static str = "admin:alerts";
    const RULE: Rule = READ;
}

impl Operation for AdminAlerts {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let engine = alerts(&call.services)?;
        let (mut open, mut resolved) = (engine.open(), engine.resolved());
        let silences = engine.silences();
        open.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.counts.last_unix_ms)));
        resolved.sort_by_key(|alert| std::cmp::Reverse(alert.counts.last_unix_ms));
        resolved.truncate(RESOLVED_MAX);
        let view = |alert: &Alert| named(alert, &call.services);
        Ok(Reply::fields(&json!({
            "alerts": open.iter().map(view).collect::<Vec<_>>(),
            "resolved": resolved.iter().map(view).collect::<Vec<_>>(),
            "silences": silences.iter().map(silence).collect::<Vec<_>>(),
        })))
    }
}

/// An alert as JSON; a key that is a user has the name of the user.
fn named(alert: &Alert, services: &Services) -> Value {
    let mut view = data(alert);
    let key = alert.key.as_ref().filter(|key| key.kind == "user");
    let user = key.and_then(|key| UserId::parse(&key.value).ok());
    let name = user.and_then(|id| Some(services.directory.user(&id)?.name().to_string()));
    let members = view.get_mut("key").and_then(Value::as_object_mut);
    if let (Some(name), Some(key)) = (name, members) {
        key.insert(String::from("name"), json!(harmless(&name)));
    }
    view
}

/// A silence as JSON.
pub(crate) fn silence(silence: &Silence) -> Value {
    let request = &silence.request;
    let key = request.key.as_ref();
    json!({
        "id": silence.id.to_string(),
        "rule": request.rule,
        "key": key.map(|(kind, value)| json!({ "kind": kind, "value": harmless(value) })),
        "severity": request.severity.map(|severity| severity.name()),
        "until": utc(request.until_unix_ms),
        "reason": request.reason,
        "by": request.by,
    })
}
