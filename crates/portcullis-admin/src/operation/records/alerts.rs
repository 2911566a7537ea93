//! `admin:alerts {}`: the open alerts and the silences.
//! Never: text of clients that is not made harmless.

use std::sync::Arc;

use portcullis_audit::{Silence, utc};
use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::json::data;
use crate::message::text::harmless;
use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::{Desk, alerts};

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
        let (mut open, silences) = (engine.open(), engine.silences());
        open.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.counts.last_unix_ms)));
        Ok(Reply::fields(&json!({
            "alerts": open.iter().map(data).collect::<Vec<_>>(),
            "silences": silences.iter().map(silence).collect::<Vec<_>>(),
        })))
    }
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
