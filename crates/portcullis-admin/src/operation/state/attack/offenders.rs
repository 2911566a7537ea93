//! `admin:offenders {}` and `admin:affected {}`: the parties that are rejected most.
//! Never: an exact list of all; the tables have a fixed size, and the strongest stay in them.

use std::sync::Arc;

use portcullis_guard::{Event, Rule};
use portcullis_model::{Denial, UserId, rule_text};
use portcullis_server::{PartyKind, RejectedParty, Reply, Services};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::text::harmless;
use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::Desk;
use crate::operation::state::attack::blocked_parties::active_block;
use crate::operation::state::attack::network_clients::{NetworkClients, network_clients};

/// Most offenders of an answer.
const OFFENDERS_MAX: usize = 20;
/// Most affected users of an answer.
const AFFECTED_MAX: usize = 200;

/// `admin:offenders {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminOffenders {}

impl Event for AdminOffenders {
    const NAME: &'static str = "admin:offenders";
    const RULE: Rule = READ;
}

impl Operation for AdminOffenders {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let mut parties = call.services.rejected_parties();
        parties.truncate(OFFENDERS_MAX);
        let present = clients_of(&desk, &call.services, &parties).await;
        let rules = desk.sampler().rejected_in(300);
        let mut all: Vec<(u64, Value)> = parties
            .iter()
            .map(|party| (party.rejected, with_clients(party, &call, &present)))
            .chain(rules.into_iter().map(|(rule, rejected, per_s)| {
                let offender = json!({
                    "kind": "rule", "value": rule, "rule": rule, "rule_text": rule_text(rule),
                    "rejected_5min": rejected, "per_s": round(per_s),
                });
                (rejected, offender)
            }))
            .collect();
        all.sort_by_key(|(rejected, _)| std::cmp::Reverse(*rejected));
        let offenders = all.into_iter().take(OFFENDERS_MAX).map(|(_, offender)| offender);
        Ok(Reply::fields(&json!({ "offenders": offenders.collect::<Vec<_>>() })))
    }
}

/// The networks among parties, with the clients that are connected from them.
async fn clients_of(
    desk: &Desk,
    services: &Arc<Services>,
    parties: &[RejectedParty],
) -> NetworkClients {
    let prefixes = parties.iter().filter(|party| party.kind == PartyKind::Prefix);
    let networks = prefixes.filter_map(|party| party.value.parse().ok()).collect();
    network_clients(desk, services, networks).await
}

/// One offender as JSON; a network has the numbers of connections and users behind it, and the end
/// of a block that covers it.
fn with_clients(party: &RejectedParty, call: &Call, present: &NetworkClients) -> Value {
    let mut offender = view(party, &call.services);
    let Some(members) = offender.as_object_mut() else { return offender };
    let found = party.value.parse().ok().and_then(|network| present.get(&network));
    if let Some(clients) = found {
        members.insert(String::from("connections"), json!(clients.connections));
        members.insert(String::from("users_behind"), json!(clients.users));
    }
    let block = Some(party).filter(|party| party.kind == PartyKind::Prefix);
    if let Some(block) = block.and_then(|party| active_block(&call.services, party, call.now)) {
        members.insert(String::from("blocked_until"), json!(block.until));
    }
    offender
}

/// `admin:affected {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AffectedUsers {}

impl Event for AffectedUsers {
    const NAME: &'static str = "admin:affected";
    const RULE: Rule = READ;
}

impl Operation for AffectedUsers {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let parties = call.services.rejected_parties();
        let users = parties.iter().filter(|party| party.kind == PartyKind::User);
        let affected = users.take(AFFECTED_MAX).map(|party| {
            json!({
                "user": party.value,
                "name": name(party, &call.services),
                "rule": party.rule,
                "rule_text": rule_text(party.rule),
                "rejected_5min": party.rejected,
                "wait_ms": party.wait_ms,
            })
        });
        Ok(Reply::fields(&json!({ "users": affected.collect::<Vec<_>>() })))
    }
}

/// One offender as JSON.
pub(crate) fn view(party: &RejectedParty, services: &Services) -> Value {
    let mut offender = json!({
        "kind": kind(party.kind),
        "value": harmless(&party.value),
        "rejected_5min": party.rejected,
        "per_s": round(party.per_s),
        "rule": party.rule,
        "rule_text": rule_text(party.rule),
    });
    if let (Some(name), Some(members)) = (name(party, services), offender.as_object_mut()) {
        members.insert(String::from("name"), json!(name));
    }
    offender
}

/// The word for a kind.
pub(crate) fn kind(kind: PartyKind) -> &'static str {
    match kind {
        PartyKind::Prefix => "prefix",
        PartyKind::User => "user",
        PartyKind::Origin => "origin",
    }
}

/// The name of a user.
pub(crate) fn name(party: &RejectedParty, services: &Services) -> Option<String> {
    let id = Some(party).filter(|party| party.kind == PartyKind::User);
    let id = UserId::parse(&id?.value).ok()?;
    services.directory.user(&id).map(|user| user.name().to_string())
}

fn round(per_s: f64) -> f64 {
    (per_s * 10.0).round() / 10.0
}
