//! D13: whether alerts reach an administrator.
//! Never: a test alert; `portcullis alert test` sends one.

use std::collections::BTreeMap;

use portcullis_admin::{CheckBuilder, LiveFacts, read_deliveries};

use crate::config::Profile;
use crate::doctor::examination::Examination;
use crate::start::files::output_files::ALERT_DELIVERIES;

const DAY_MS: i64 = 24 * 60 * 60_000;
/// A channel has to deliver something in this time.
const DELIVERED_MS: i64 = 30 * DAY_MS;
/// A heartbeat is sent each minute.
const HEARTBEAT_MS: i64 = 10 * 60_000;

/// One configured receiver.
struct Channel<'a> {
    name: &'a str,
    is_heartbeat: bool,
}

/// Checks all channels.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let settings = examination.settings;
    let channels: Vec<Channel<'_>> = settings
        .audit
        .alert
        .channels
        .iter()
        .map(|channel| Channel {
            name: channel.receiver.name(),
            is_heartbeat: channel.receiver.kind() == "heartbeat",
        })
        .collect();
    let gets_messages = |channel: &Channel<'_>| !channel.is_heartbeat;
    let has_channel = channels.iter().any(gets_messages);
    if !has_channel && settings.profile == Profile::Development {
        check.fact("no channel, in the development profile");
    } else if !has_channel {
        let found = "no channel is configured: only the dashboard shows alerts, to a person who \
                     has it open";
        check.warn("none", found, "add [[alert.channel]], and run portcullis alert test");
    }
    let mut delivered = read_deliveries(&settings.storage.data.join(ALERT_DELIVERIES));
    if let Some(facts) = examination.facts() {
        merge(&mut delivered, &facts.delivered);
    }
    for channel in &channels {
        let last = delivered.get(channel.name).copied();
        check_channel(channel, last, examination.facts(), examination.now.unix_ms, check);
    }
    if !channels.iter().any(|channel| channel.is_heartbeat) {
        check.fact("no heartbeat is configured");
    }
    if examination.facts().is_none() && !channels.is_empty() {
        let why = examination.why_no_facts();
        check.skip(format!("heartbeats and channels that are switched off: {why}"));
    }
}

fn merge(delivered: &mut BTreeMap<String, i64>, newer: &BTreeMap<String, i64>) {
    for (name, at) in newer {
        let entry = delivered.entry(name.clone()).or_insert(*at);
        *entry = (*entry).max(*at);
    }
}

fn check_channel(
    channel: &Channel<'_>,
    last: Option<i64>,
    facts: Option<&LiveFacts>,
    now_unix_ms: i64,
    check: &mut CheckBuilder,
) {
    let name = channel.name;
    let ago_ms = last.map(|last| now_unix_ms.saturating_sub(last));
    if channel.is_heartbeat {
        let Some(facts) = facts else { return };
        let is_due = facts.uptime_ms > HEARTBEAT_MS.unsigned_abs();
        if is_due && ago_ms.is_none_or(|ago| ago > HEARTBEAT_MS) {
            let found = format!("the heartbeat {name} was not accepted for 10 minutes");
            check.alarm(name, found, "read the operational log; check the receiver and its URL");
        } else {
            check.fact(format!("heartbeat {name}"));
        }
        return;
    }
    let state = facts.and_then(|facts| facts.channels.iter().find(|one| one.name == name));
    match state.map(|state| state.state) {
        Some("off") => {
            let found = format!("the channel {name} is switched off: its receiver answered 410");
            check.alarm(name, found, "write a valid URL, and restart the server");
            return;
        }
        Some("failing") => {
            let found = format!("the channel {name} does not deliver: messages wait");
            check.warn(name, found, "run portcullis alert test; it prints the reason");
            return;
        }
        Some(_) | None => {}
    }
    match ago_ms {
        None => {
            let found = format!("the channel {name} has never delivered a message");
            check.warn(name, found, "run portcullis alert test, and look for the test alert");
        }
        Some(ago) if ago > DELIVERED_MS => {
            let days = ago / DAY_MS;
            let found = format!("the channel {name} has delivered nothing for {days} days");
            check.warn(name, found, "run portcullis alert test, and look for the test alert");
        }
        Some(ago) => check.fact(format!("{name} delivered {} days ago", ago / DAY_MS)),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{ChannelState, CheckId, CheckResult};

    use super::*;

    #[test]
    fn t409_d13_channel_that_does_not_deliver_is_found() {
        let (page, beat) = (
            Channel { name: "page", is_heartbeat: false },
            Channel { name: "alive", is_heartbeat: true },
        );
        let facts = |state| LiveFacts {
            channels: vec![ChannelState { name: String::from("page"), state, waiting: 0 }],
            uptime_ms: 3_600_000,
            ..LiveFacts::default()
        };
        let now = 100 * DAY_MS;
        for (channel, last, facts, expect) in [
            (&page, Some(now - DELIVERED_MS), Some(facts("ok")), CheckResult::Ok),
            (&page, Some(now - DELIVERED_MS - 1), Some(facts("ok")), CheckResult::Warning),
            (&page, None, Some(facts("ok")), CheckResult::Warning),
            (&page, None, None, CheckResult::Warning),
            (&page, Some(now), Some(facts("failing")), CheckResult::Warning),
            (&page, Some(now), Some(facts("off")), CheckResult::Critical),
            (&beat, Some(now - HEARTBEAT_MS), Some(facts("ok")), CheckResult::Ok),
            (&beat, Some(now - HEARTBEAT_MS - 1), Some(facts("ok")), CheckResult::Critical),
            (&beat, None, Some(LiveFacts::default()), CheckResult::Ok),
        ] {
            let mut check = CheckBuilder::new(CheckId::D13);
            check_channel(channel, last, facts.as_ref(), now, &mut check);
            assert_eq!(check.finish().result, expect, "{} {last:?} {facts:?}", channel.name);
        }
    }
}
