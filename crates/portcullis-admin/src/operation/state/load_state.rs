//! `admin:state {}`: the load level, and how far the limits for all clients are used.
//! Never: a change of the level; `state:pin` changes it.

use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::{Reply, Services, limit_view};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::Desk;

/// `admin:state {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminState {}

impl Event for AdminState {
    const NAME: &'static str = "admin:state";
    const RULE: Rule = READ;
}

impl Operation for AdminState {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limits = call.services.gate.limits();
        let each: Vec<_> = limits.explain_total(call.now).iter().map(limit_view).collect();
        Ok(Reply::fields(&json!({
            "state": call.services.gate.load().name(),
            "measured": limits.measured_load().name(),
            "pinned": pinned(&call.services),
            "returning_permille": limits.returning_permille(),
            "limits": each,
        })))
    }
}

/// The pinned load level, its end and the time until then; `null` without a pin.
pub(crate) fn pinned(services: &Services) -> Option<Value> {
    let (limits, now) = (services.gate.limits(), services.clock.now());
    let state = limits.pinned_load()?;
    let rest_ms = limits.pinned_for_ms(now);
    let until = rest_ms
        .map(|rest_ms| utc(now.unix_ms.saturating_add(i64::try_from(rest_ms).unwrap_or(i64::MAX))));
    Some(json!({ "state": state.name(), "until": until, "rest_ms": rest_ms }))
}
