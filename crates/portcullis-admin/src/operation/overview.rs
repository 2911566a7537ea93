//! `admin:overview {}`: the state of the server on one screen.
//! Never: a text of a client, or work that grows with the number of connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::{Reply, Services};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::{Desk, at};

/// `admin:overview {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminOverview {}

impl Event for AdminOverview {
    const NAME: &'static str = "admin:overview";
    const RULE: Rule = READ;
}

impl Operation for AdminOverview {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        Ok(Reply::fields(&json!({ "overview": overview(&desk, &call.services) })))
    }
}

/// The overview as JSON.
pub(crate) fn overview(desk: &Desk, services: &Services) -> Value {
    let now = services.clock.now();
    let (status, limits) = (services.status(), services.gate.limits());
    let counts = limits.counts();
    let pinned = limits.pinned_load().map(|state| json!({ "state": state.name(), "until": null }));
    let reason = status.load_reason.as_ref();
    let (rates, answers) = {
        let sampler = desk.sampler();
        let rates: BTreeMap<_, _> =
            sampler.rejected_per_s.iter().map(|(name, rate)| (*name, rate.round())).collect();
        (rates, sampler.answers())
    };
    json!({
        "at": at(now),
        "state": services.gate.load().name(),
        "pinned": pinned,
        "since": reason.map(|reason| utc(reason.unix_ms)),
        "why": reason.map_or("", |reason| reason.why.as_str()),
        "connections": {
            "signed_in": counts.authenticated,
            "unauthenticated": counts.pre_auth,
            "waiting": status.waiting,
            "of": services.gate.options().capacity.total,
        },
        "rejected_per_s": rates,
        "answered_in_time_percent": answers.map(|(percent, _)| (percent * 10.0).round() / 10.0),
        "ack_p99_ms": answers.map(|(_, p99_ms)| p99_ms),
        "alerts": open_alerts(services),
        "log": log(services),
        "channels": channels(desk),
    })
}

/// The open alerts that no administrator has acknowledged, by severity.
fn open_alerts(services: &Services) -> Value {
    let open = services.audit.alerts().map(|alerts| alerts.open()).unwrap_or_default();
    let mut counts = BTreeMap::from([("critical", 0), ("high", 0), ("medium", 0), ("info", 0)]);
    for alert in open.iter().filter(|alert| alert.acknowledged.is_none()) {
        *counts.entry(alert.severity.name()).or_default() += 1;
    }
    json!(counts)
}

/// The state of the security log, with the newest statement about it.
fn log(services: &Services) -> Value {
    let counts = services.audit.counts();
    let text = services.audit.newest_note();
    let note = text.as_ref().and_then(|text| text.parse::<portcullis_audit::SignedNote>().ok());
    json!({
        "state": counts.state.name(),
        "sequence": note.as_ref().map(|signed| signed.note.sequence),
        "note": text,
        "note_at": note.as_ref().map(|signed| signed.note.time.as_str()),
        "lost": counts.lost,
    })
}

fn channels(desk: &Desk) -> Vec<Value> {
    let states = desk.channels();
    states
        .iter()
        .map(|one| json!({ "name": one.name, "state": one.state, "waiting": one.waiting }))
        .collect()
}
