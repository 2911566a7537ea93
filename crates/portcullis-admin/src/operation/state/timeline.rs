//! `admin:timeline {}`: what the server measured in the last 15 minutes and 24 hours.
//! Never: values of before the start.

use std::collections::{BTreeMap, VecDeque};
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
use crate::operation::state::sampler::{Sampler, Timeline};
use crate::operation::state::series_text::series_texts;

/// Limits and rules with a series of their own in the answer.
const RULES_MAX: usize = 8;
/// The names of series of limits and rules begin with it.
const OF_RULE: &str = "rejected.";
/// The series of the other limits and rules.
const OTHER: &str = "rejected.other";

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
            "texts": texts(&sampler),
            "block_changes": sampler.blocks.since(0),
        })))
    }
}

/// The words for all series.
fn texts(sampler: &Sampler) -> BTreeMap<String, &'static str> {
    let names = sampler.seconds.series.keys().chain(sampler.minutes.series.keys());
    series_texts(names.cloned().chain([String::from(OTHER)]))
}

/// A time line as JSON: of the limits and rules the strongest ones, the others as one series.
fn view(timeline: &Timeline, step_s: i64) -> Value {
    let length = i64::try_from(timeline.length()).unwrap_or(0);
    let from = timeline.last_unix_ms - (length - 1).max(0) * step_s * 1_000;
    let is_of_rule = |name: &str| name.starts_with(OF_RULE) && name != OTHER;
    let mut of_rules: Vec<_> =
        timeline.series.iter().filter(|(name, _)| is_of_rule(name)).collect();
    let sum = |values: &VecDeque<f32>| values.iter().sum::<f32>();
    of_rules.sort_by(|one, other| sum(other.1).total_cmp(&sum(one.1)));
    let weaker: Vec<_> = of_rules.into_iter().skip(RULES_MAX).collect();
    let mut others: Vec<f32> = timeline.series.get(OTHER).into_iter().flatten().copied().collect();
    others.resize(timeline.length(), 0.0);
    for (total, index) in others.iter_mut().zip(0..) {
        let values = weaker.iter().filter_map(|(_, values)| values.get(index));
        *total += values.sum::<f32>();
    }
    let round = |value: &f32| (f64::from(*value) * 10.0).round() / 10.0;
    let is_left_out =
        |name: &String| name == OTHER || weaker.iter().any(|(weaker, _)| *weaker == name);
    let kept = timeline.series.iter().filter(|(name, _)| !is_left_out(name));
    let mut series: serde_json::Map<_, _> = kept
        .map(|(name, values)| (name.clone(), json!(values.iter().map(round).collect::<Vec<_>>())))
        .collect();
    if others.iter().any(|value| *value > 0.0) {
        let others: Vec<_> = others.iter().map(round).collect();
        series.insert(String::from(OTHER), json!(others));
    }
    json!({ "from": utc(from), "step_s": step_s, "series": series })
}

#[cfg(test)]
mod tests {
    use portcullis_guard::CapacityCounts;
    use portcullis_model::Now;
    use portcullis_server::ServerStatus;

    use super::*;

    #[test]
    fn strongest_rule_has_a_series_also_if_it_is_new() {
        let names: Vec<&'static str> =
            (0..10).map(|number| &*format!("old{number}").leak()).collect();
        let mut sampler = Sampler::default();
        for second in 0..20_u64 {
            let now = Now { monotonic_ms: second * 1_000, unix_ms: second as i64 * 1_000 };
            let mut rejected: Vec<_> = names.iter().map(|name| (*name, second)).collect();
            if second >= 10 {
                rejected.push(("new", (second - 9) * 100));
            }
            let rejected = rejected.into_iter().collect();
            let status = ServerStatus { rejected, ..ServerStatus::default() };
            sampler.add(&status, CapacityCounts::default(), now);
        }
        let view = view(&sampler.seconds, 1);
        let series = view["series"].as_object().unwrap();
        assert_eq!(series["rejected.new"].as_array().unwrap().last(), Some(&json!(100.0)));
        let of_rules = series.keys().filter(|name| name.starts_with(OF_RULE)).count();
        assert_eq!(of_rules, RULES_MAX + 1);
        assert_eq!(series[OTHER].as_array().unwrap().last(), Some(&json!(3.0)));
        let lengths = series.values().map(|values| values.as_array().unwrap().len());
        assert!(lengths.into_iter().all(|length| length == 19));
    }
}
