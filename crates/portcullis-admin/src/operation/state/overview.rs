//! `admin:overview {}`: the state of the server on one screen.
//! Never: an unescaped text of a client, or work that grows with the number of connections.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{BlockRules, BlockedNetwork, Event, LoadState, Rule};
use portcullis_model::Denial;
use portcullis_server::{PartyKind, RejectedParty, Reply, ServerStatus, Services};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::connections::block::AddressBlock;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::{Desk, at};
use crate::operation::state::attack::blocked_parties::active_blocks;
use crate::operation::state::attack::offenders::{name, view};
use crate::operation::state::happening::{EndedAttack, Guessing, Situation, describe};
use crate::operation::state::load_state::pinned;
use crate::operation::state::sampler::ATTACK_OVER_MS;
use crate::operation::state::series_text::series_texts;

/// The time for which the end of an attack is reported.
const ENDED_FOR_MS: i64 = 600_000;
/// The time for which the overview has a change of a block; the time line has older ones.
const RECENT_MS: i64 = 120_000;
/// Most users whose names are looked up for the sentence.
const NAMES_MAX: usize = 8;

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
    let reason = status.load_reason.as_ref();
    let parties = services.rejected_parties();
    let users = parties.iter().filter(|party| party.kind == PartyKind::User).count();
    let mut happening = describe(&situation(desk, services, &status, parties));
    if let Some(happening) = &mut happening {
        happening.operations.retain(|operation| is_possible(desk, services, operation));
    }
    let (rates, messages_per_s, answers, blocks) = {
        let sampler = desk.sampler();
        let rates: BTreeMap<_, _> =
            sampler.rejected_per_s.iter().map(|(name, rate)| (*name, rate.round())).collect();
        let blocks = sampler.blocks.since(now.unix_ms - RECENT_MS);
        (rates, sampler.messages_per_s.round(), sampler.answers(), blocks)
    };
    json!({
        "at": at(now),
        "state": services.gate.load().name(),
        "pinned": pinned(services),
        "since": reason.map(|reason| utc(reason.unix_ms)),
        "why": reason.map_or("", |reason| reason.why.as_str()),
        "connections": {
            "signed_in": counts.authenticated,
            "unauthenticated": counts.pre_auth,
            "waiting": status.waiting,
            "of": services.gate.options().capacity.total,
        },
        "users_rejected_5min": users,
        "texts": texts(&rates, &status),
        "rejected_per_s": rates,
        "messages_per_s": messages_per_s,
        "load_percent": status.signals.iter().copied().collect::<BTreeMap<_, _>>(),
        "answered_in_time_percent": answers.map(|(percent, _)| (percent * 10.0).round() / 10.0),
        "ack_p99_ms": answers.map(|(_, p99_ms)| p99_ms),
        "block_changes": blocks,
        "blocks": services.directory.blocks().count(now).0,
        "alerts": open_alerts(services),
        "log": log(services),
        "channels": channels(desk),
        "happening": happening.map(|one| one.view(|party| view(party, services))),
    })
}

/// The words for the rules and load signals of the overview, as for series of the time line.
fn texts(rates: &BTreeMap<&str, f64>, status: &ServerStatus) -> BTreeMap<String, &'static str> {
    let rules = rates.keys().map(|rule| format!("rejected.{rule}"));
    series_texts(rules.chain(status.signals.iter().map(|(signal, _)| format!("load.{signal}"))))
}

/// Whether an offered operation would not be rejected: a wide network can hold the operator's own
/// machines, which no block covers.
fn is_possible(desk: &Desk, services: &Services, operation: &Value) -> bool {
    if operation["name"] != AddressBlock::NAME {
        return true;
    }
    let Some(prefix) = operation.pointer("/payload/prefix").and_then(Value::as_str) else {
        return true;
    };
    let proxies = &services.gate.options().proxies;
    let (Ok(network), Ok(stored)) = (BlockedNetwork::parse(prefix), desk.stored()) else {
        return false;
    };
    BlockRules::new(proxies, stored.private).is_ok_and(|rules| rules.check(network, None).is_ok())
}

/// The facts for the sentence.
fn situation(
    desk: &Desk,
    services: &Services,
    status: &ServerStatus,
    parties: Vec<RejectedParty>,
) -> Situation {
    let (now, state) = (services.clock.now().unix_ms, services.gate.load());
    let reason = status.load_reason.as_ref();
    let sampler = desk.sampler();
    let last = sampler.attack.last;
    let over = last.filter(|(_, _, at)| (ATTACK_OVER_MS..ENDED_FOR_MS).contains(&(now - at)));
    Situation {
        is_overloaded: state >= LoadState::Shedding,
        state: state.name(),
        why: reason.map(|reason| reason.why.clone()).unwrap_or_default(),
        changed: reason.map(|reason| utc(reason.unix_ms)),
        rates: sampler.smoothed_rates(now),
        blocks: active_blocks(services, &parties, services.clock.now()),
        names: user_names(services, &parties),
        parties,
        attack_since: sampler.attack.present(now).map(utc),
        ended: over.map(|(rule, _, at)| EndedAttack {
            rule,
            at: utc(at),
            blocks: sampler.attack_blocks.in_force(services, services.clock.now()),
        }),
        guessing: guessing(services),
    }
}

/// The names of the strongest users, by their ids.
fn user_names(services: &Services, parties: &[RejectedParty]) -> HashMap<String, String> {
    let mut users: Vec<_> = parties.iter().filter(|party| party.kind == PartyKind::User).collect();
    users.sort_by(|one, other| other.share.total_cmp(&one.share));
    let users = users.into_iter().take(NAMES_MAX);
    users.filter_map(|user| Some((user.value.clone(), name(user, services)?))).collect()
}

/// The target or the source of guessed passwords, if an alert about it is open.
fn guessing(services: &Services) -> Option<Guessing> {
    let open = services.audit.alerts()?.open();
    let alert = open.iter().find(|alert| ["A2", "A3"].contains(&alert.rule.as_str()))?;
    Some(match alert.key.as_ref() {
        Some(key) if key.kind == "name" => Guessing::Account(key.value.clone()),
        Some(key) if key.kind == "prefix" => Guessing::Network(key.value.clone()),
        _ => Guessing::Many,
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
