//! `admin:timeline {}`: what the server measured in the last 15 minutes and 24 hours.
//! Never: values of before the start.

use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::Desk;
use crate::operation::sampler::Timeline;

/// `admin:timeline {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminTimeline {}

impl Event for AdminTimeline {
    const NAME: &'static str = "admin:timeline";
    const RULE: Rule = READ;
}

impl Operation for AdminTimeline {
    async fn run(self, desk: Arc<Desk>, _call: Call) -> Result<Reply, Denial> {
        let sampler = desk.sampler();
        Ok(Reply::fields(&json!({
            "seconds": view(&sampler.seconds, 1),
            "minutes": view(&sampler.minutes, 60),
        })))
    }
}

fn view(timeline: &Timeline, step_s: i64) -> Value {
    let length = i64::try_from(timeline.length()).unwrap_or(0);
    let from = timeline.last_unix_ms - (length - 1).max(0) * step_s * 1_000;
    let round = |value: &f32| (f64::from(*value) * 10.0).round() / 10.0;
    let series: serde_json::Map<_, _> = timeline
        .series
        .iter()
        .map(|(name, values)| (name.clone(), json!(values.iter().map(round).collect::<Vec<_>>())))
        .collect();
    json!({ "from": utc(from), "step_s": step_s, "series": series })
}
