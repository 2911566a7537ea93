//! Rules for weakenings that depend on more than one value: lists, shares, events, files.
//! Never: a secret in a text.

use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt;

use portcullis_audit::ThresholdSummary;
use portcullis_guard::{Action, Replay, SecondFactorRule};
use portcullis_model::Role;

use super::rule::{Facts, is_faster};
use crate::config::audit::MIB;
use crate::config::identity::token::{IssuerFacts, KeySource};

/// Networks of proxies that also contain clients.
pub(crate) fn trusted_proxies(facts: &Facts<'_>) -> Vec<String> {
    let trusted = &facts.settings.gate.proxies.trusted;
    let text = |networks: &str| {
        format!(
            "{networks} contains clients: they can write any address into the proxy header, so \
             limits by address do not bind them; list the addresses of your proxies only"
        )
    };
    let wide = trusted.iter().filter(|network| share(network) > ONE_OPERATOR);
    let mut texts: Vec<_> = wide.map(|network| text(&format!("{network:?}"))).collect();
    let together: u64 = trusted.iter().map(|network| share(network)).sum();
    if texts.is_empty() && together > 4 * ONE_OPERATOR {
        texts.push(text(&format!("the union of {} networks", trusted.len())));
    }
    texts
}

/// The largest public network of one operator: a /8, or a /16 of IPv6. The largest networks of
/// content delivery networks are a /10 and a /24.
const ONE_OPERATOR: u64 = 1 << 24;

/// The size of a network, in parts of 2^32 for IPv4 and of 2^40 for IPv6.
fn share(network: &str) -> u64 {
    let Some((address, bits)) = network.split_once('/') else { return 0 };
    let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return 0;
    };
    let total_bits: u32 = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(address) => {
            // fc00::/7 and fe80::/10 are not routed.
            let [first, ..] = address.segments();
            let is_private = (first & 0xfe00 == 0xfc00 && bits >= 7) || first & 0xffc0 == 0xfe80;
            if is_private {
                return 0;
            }
            40
        }
    };
    total_bits.checked_sub(bits).and_then(|bits| 1_u64.checked_shl(bits)).unwrap_or(0)
}

/// Services that can use the tokens of their users on this server.
pub(crate) fn audience_beside(facts: &Facts<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for IssuerFacts { issuer, audience_beside, .. } in &facts.settings.identity.issuers {
        // The issuer itself could make any token.
        let issuers_own = format!("{}/", issuer.trim_end_matches('/'));
        for other in audience_beside.iter().filter(|other| !other.starts_with(&issuers_own)) {
            texts.push(format!(
                "{other:?} of {issuer:?}: that service can use the tokens of its users on this \
                 server; let the issuer create tokens for this server only, and leave it out"
            ));
        }
    }
    texts
}

/// Secrets in the environment of the process.
pub(crate) fn secret_in_environment(facts: &Facts<'_>) -> Vec<String> {
    let issuers = facts.settings.identity.issuers.iter();
    let seen = issuers.filter(|facts| facts.source == KeySource::Environment).map(|facts| {
        format!(
            "the secret of {:?} is set in the environment: crash dumps and child processes contain \
             it; use secret_file",
            facts.issuer
        )
    });
    seen.collect()
}

/// Issuers that can assign the role admin, which needs a rule for second factors.
pub(crate) fn roles_claim(facts: &Facts<'_>) -> Vec<String> {
    let is_withheld = facts.settings.identity.accounts.second_factor != SecondFactorRule::None;
    let makes = |facts: &&IssuerFacts| {
        facts.roles_claim.is_some() && (facts.rules.factors.is_set() || !is_withheld)
    };
    let texts = facts.settings.identity.issuers.iter().filter(makes).map(|facts| {
        format!(
            "{:?} assigns roles to its users, also admin and moderator: its administrators \
             control this server; leave it out if you assign roles here",
            facts.issuer
        )
    });
    texts.collect()
}

/// Methods that prove a second factor only with some issuers.
pub(crate) fn ambiguous_methods(facts: &Facts<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for IssuerFacts { issuer, rules, .. } in &facts.settings.identity.issuers {
        for method in rules.factors.ambiguous_methods() {
            texts.push(format!(
                "{method:?} of {issuer:?} can be the only method of a login, such as a code by \
                 mail: such a login counts as one with two factors; use a value that the issuer \
                 sets only after a second factor, such as \"mfa\", or keep it if this issuer uses \
                 it only as a second factor"
            ));
        }
    }
    texts
}

/// Unauthenticated clients that can take most connections.
pub(crate) fn pre_auth_total(facts: &Facts<'_>) -> Vec<String> {
    /// A server with no more connections keeps none of them for users by default.
    const SMALL: u32 = 100;
    let places = &facts.settings.gate.capacity;
    let is_weak = places.total > SMALL && places.pre_auth > places.total / 2;
    let text = || {
        format!(
            "{} is more than half of connections_total ({}): unauthenticated clients can take the \
             connections of users; write {} or less",
            places.pre_auth,
            places.total,
            places.total / 2
        )
    };
    is_weak.then(text).into_iter().collect()
}

/// Too few reserved connections for administrators on a full server.
pub(crate) fn admin_reserve(facts: &Facts<'_>) -> Vec<String> {
    let places = &facts.settings.gate.capacity;
    let (seen, usual) = (places.admin_reserve, places.total / 100);
    let text = || {
        format!(
            "{seen} is less than 1/10 of the default {usual}: administrators cannot connect while \
             the server is full; write {} or more",
            usual.div_ceil(10)
        )
    };
    (seen.saturating_mul(10) < usual).then(text).into_iter().collect()
}

/// Events that one user can send more than ten times as often as declared.
pub(crate) fn event_rates(facts: &Facts<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for action in facts.actions {
        let (Some(rate), Some(usual)) = (action.rate, action.usual.rate) else { continue };
        if is_faster(rate, usual, 10) {
            texts.push(format!(
                "{:?} can be sent {} times in {} ms, more than 10 times as often as declared ({} \
                 in {} ms): one user can flood the others; write a lower rate",
                action.event, rate.count, rate.period_ms, usual.count, usual.period_ms
            ));
        }
    }
    texts
}

/// Limits that reject nothing.
pub(crate) fn observed_limits(facts: &Facts<'_>) -> Vec<String> {
    let texts = facts.settings.gate.observe.iter().map(|limit| {
        format!(
            "{limit} only counts and rejects nothing: attackers are not limited; remove it from \
             the list when you know its counts"
        )
    });
    texts.collect()
}

/// A memory limit that is larger than the memory.
pub(crate) fn memory_limit(facts: &Facts<'_>) -> Vec<String> {
    let configured = facts.settings.server.memory_limit_bytes;
    let there = portcullis_server::memory_max_bytes();
    let text = || {
        format!(
            "{} is more than the machine has ({}): the server does not notice a lack of memory; \
             leave it out",
            configured / MIB,
            there / MIB
        )
    };
    (there > 0 && configured > there).then(text).into_iter().collect()
}

/// Rules about phrases with few phrases left.
pub(crate) fn phrases_removed(facts: &Facts<'_>) -> Vec<String> {
    let usual = &facts.usual.gate.spam.phrases;
    let left = usual.iter().filter(|phrase| facts.settings.gate.spam.phrases.contains(phrase));
    let left = left.count();
    let text = || {
        format!(
            "{left} of the {} built-in phrases are left, fewer than half: spam that the server \
             would find is delivered; remove only phrases that ordinary text contains",
            usual.len()
        )
    };
    (left < usual.len() / 2).then(text).into_iter().collect()
}

/// A very small reserve on the disk.
pub(crate) fn min_free(facts: &Facts<'_>) -> Vec<String> {
    /// A tenth of the default reserve on disks of 2 GiB and more.
    const LEAST_BYTES: u64 = 256 * MIB / 10;
    let seen = facts.settings.min_free();
    let text = || {
        format!(
            "{seen:?} is less than a tenth of the default \"256MiB\": clients can fill the disk \
             until logins and bans fail; leave it out"
        )
    };
    let bytes = facts.settings.storage.min_free_bytes;
    bytes.is_some_and(|bytes| bytes < LEAST_BYTES).then(text).into_iter().collect()
}

/// Events that `[access]` opens to users who cannot send them by default.
pub(crate) fn opened_events(facts: &Facts<'_>) -> Vec<String> {
    let rules = &facts.settings.gate.roles;
    let mut texts = Vec::new();
    for action in facts.actions {
        if !is_most_open(facts, action) {
            continue;
        }
        let Some((_, roles)) = rules.access.iter().find(|(event, _)| event == action.event) else {
            continue;
        };
        let held = rules.table.all().filter(|role| roles.contains(*role));
        let held = held.map(|role| (role, rules.table.name(role)));
        let held = held.filter(|(role, name)| is_opened(action, *role, name));
        texts.extend(held.map(|(_, name)| opened(action, name)));
    }
    texts
}

/// Events of administrators that a configured role can send.
pub(crate) fn granted_actions(facts: &Facts<'_>) -> Vec<String> {
    let rules = &facts.settings.gate.roles;
    let mut texts = Vec::new();
    for (role, granted) in &rules.grants {
        let name = rules.table.name(*role);
        let mut named = facts.actions.iter().filter(|action| action.event == granted);
        let action = named.find(|action| is_most_open(facts, action));
        let action = action.filter(|action| is_opened(action, *role, name));
        texts.extend(action.map(|action| opened(action, name)));
    }
    texts
}

/// Whether no namespace has an event of this name that more roles, or that was declared before,
/// can send by default. A rule of the configuration is about all events of a name.
fn is_most_open(facts: &Facts<'_>, action: &Action) -> bool {
    let named = facts.actions.iter().filter(|other| other.event == action.event);
    let most = named.rev().max_by_key(|other| other.usual.roles.len());
    most.is_some_and(|most| std::ptr::eq(most, action))
}

/// Whether a role gets an unusual event: ordinary users any event that they cannot send by default,
/// other roles an event of administrators. Configured roles usually get events of moderators.
fn is_opened(action: &Action, role: Role, name: &str) -> bool {
    let usual = &action.usual.roles;
    // Auditors read what administrators read.
    let is_of_admins = usual.iter().all(|known| known == "admin" || known == "auditor");
    !usual.iter().any(|known| known == name) && (role == Role::User || is_of_admins)
}

fn opened(action: &Action, role: &str) -> String {
    format!(
        "{:?} can be sent by {role}, by default only by {}: every account with that role has \
         this power; leave it out, or name a role that few users have",
        action.event,
        action.usual.roles.join(" and ")
    )
}

/// Events whose replay protection is weaker than the default.
pub(crate) fn replayable_events(facts: &Facts<'_>) -> Vec<String> {
    let strength = |replay| Replay::ALL.iter().position(|known| *known == replay);
    let weaker = facts
        .actions
        .iter()
        .filter(|action| strength(action.replay) < strength(action.usual.replay));
    let texts = weaker.map(|action| {
        format!(
            "{:?} requires {:?}, by default {:?}: a replayed copy can have a second effect; leave \
             it out",
            action.event,
            action.replay.name(),
            action.usual.replay.name()
        )
    });
    texts.collect()
}

/// Security records that are not kept in a file.
pub(crate) fn audit_file(facts: &Facts<'_>) -> Vec<String> {
    let audit = &facts.settings.audit;
    let file = std::fs::metadata(&audit.file);
    let lost = match audit.stdout {
        true => "records are lost when standard output is not read",
        false => "no security record is kept, because audit.stdout is false",
    };
    let text = || {
        let file = audit.file.display().to_string();
        format!("{file:?} is a device: {lost}; name a file")
    };
    let is_device = file.is_ok_and(|file| file.file_type().is_char_device());
    is_device.then(text).into_iter().collect()
}

/// Records of unauthenticated clients: too few to show an attack, or so many that they displace all
/// others.
pub(crate) fn unauthenticated_records(facts: &Facts<'_>) -> Vec<String> {
    let (audit, usual) = (&facts.settings.audit, &facts.usual.audit);
    let (seen, all) = (audit.unauthenticated_day_bytes, audit.keep_total_bytes);
    let mut texts = Vec::new();
    if seen.saturating_mul(10) < usual.unauthenticated_day_bytes {
        texts.push(format!(
            "{} is less than 1/10 of the default {}: most records of an attack are only counted; \
             leave it out",
            seen / MIB,
            usual.unauthenticated_day_bytes / MIB
        ));
    }
    if seen > all / 2 {
        texts.push(format!(
            "{} is more than half of audit.keep_total_mib ({}): unauthenticated clients can \
             displace all older records in two days; write {} or less, or keep more",
            seen / MIB,
            all / MIB,
            all / 2 / MIB
        ));
    }
    texts
}

/// Rules that are disabled, or fire much later than by default.
pub(crate) fn alert_rules(facts: &Facts<'_>) -> Vec<String> {
    let usual = facts.usual.audit.alert.rules.summary();
    let seen = facts.settings.audit.alert.rules.summary();
    let both = seen.iter().zip(&usual);
    let texts = both.flat_map(|(seen, usual)| {
        let id = &seen.id;
        if !seen.enabled {
            return vec![format!(
                "{id} is disabled: administrators are not alerted about what it finds; leave out \
                 alert.rule.{id}.enabled"
            )];
        }
        let each = seen.thresholds.iter().zip(&usual.thresholds);
        each.filter_map(|(seen, usual)| late_threshold(id, seen, usual)).collect()
    });
    texts.collect()
}

/// A threshold that fires at more than ten times its default rate.
fn late_threshold(id: &str, seen: &ThresholdSummary, usual: &ThresholdSummary) -> Option<String> {
    let ((count, window_s), (usual_count, usual_s)) = seen.count.zip(usual.count)?;
    let rate = |count: u64, window_s: u64| u128::from(count) * 3_600 / u128::from(window_s);
    let is_late = rate(count, window_s) > 10 * rate(usual_count, usual_s).max(1);
    is_late.then(|| {
        format!(
            "{id} fires at {count} in {window_s} s, and at {usual_count} in {usual_s} s by \
             default: a slow attack causes no alert; write a lower count"
        )
    })
}
