//! The sentence of the overview: what happens now, and the operations that help.
//! Never: reads anything; it is computed from the facts alone, and texts of clients are harmless.

use portcullis_server::{PartyKind, RejectedParty};
use serde_json::{Value, json};

use crate::message::text::harmless;
use crate::operation::state::sampler::ATTACK_PER_S;

/// The share of all rejections at which one party is named, in percent.
const NAMED_PERCENT: f64 = 20.0;
/// Seconds for which a block is suggested.
const BLOCK_S: u64 = 3_600;

/// The facts of one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Situation {
    /// Whether the load level is `shedding` or `critical`.
    pub(crate) is_overloaded: bool,
    /// The load level, and why it changed.
    pub(crate) state: &'static str,
    pub(crate) why: String,
    /// When the load level changed last.
    pub(crate) changed: Option<String>,
    /// Rejections a second by limit or rule, strongest first.
    pub(crate) rates: Vec<(&'static str, f64)>,
    /// Parties of the last five minutes, strongest first.
    pub(crate) parties: Vec<RejectedParty>,
    /// When the present attack began.
    pub(crate) attack_since: Option<String>,
    /// The rule of an attack that ended in the last ten minutes, and when it ended.
    pub(crate) ended: Option<(&'static str, String)>,
    /// The key of an open alert about guessed passwords (A2 or A3), if there is one.
    pub(crate) guessing: Option<Option<String>>,
}

/// A sentence with its facts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happening {
    pub(crate) text: String,
    pub(crate) since: Option<String>,
    pub(crate) rule: Option<&'static str>,
    pub(crate) offenders: Vec<RejectedParty>,
    pub(crate) operations: Vec<Value>,
}

/// The most important thing that happens; none when nothing does.
pub(crate) fn describe(situation: &Situation) -> Option<Happening> {
    attack(situation)
        .or_else(|| overload(situation))
        .or_else(|| guessing(situation))
        .or_else(|| ended(situation))
}

/// A flood of rejected requests.
fn attack(situation: &Situation) -> Option<Happening> {
    let total: f64 = situation.rates.iter().map(|(_, rate)| rate).sum();
    let (rule, rate) = *situation.rates.first()?;
    if total < ATTACK_PER_S {
        return None;
    }
    let parties: Vec<_> =
        situation.parties.iter().filter(|party| party.per_s > 0.0).cloned().collect();
    let networks = parties.iter().filter(|party| party.kind == PartyKind::Prefix).count();
    let mut text = since(situation.attack_since.as_ref());
    let is_login = rule.starts_with("login") || rule.starts_with("code_failed");
    let rejected = if is_login { "logins" } else { "requests" };
    text.push_str(&format!("{rejected} are rejected by {rule}, {} a second", rate.round()));
    if networks > 1 {
        text.push_str(&format!(", from {networks} networks"));
    }
    let strongest = strongest(&parties, total);
    match strongest {
        Some((party, percent)) => {
            let source = subject(party);
            text.push_str(&format!("; {percent} % come from {source}."));
        }
        None => text.push_str("; no single network or user causes them."),
    }
    if situation.is_overloaded {
        text.push_str(&format!(" The server is in {}.", situation.state));
    }
    let operations =
        strongest.and_then(|(party, percent)| block(party, percent)).into_iter().collect();
    let since = situation.attack_since.clone();
    let offenders = parties.into_iter().take(3).collect();
    Some(Happening { text, since, rule: Some(rule), offenders, operations })
}

/// The party that causes a large part of the rejections, and its part in percent.
///
/// A user comes before the network that all requests of the user come from.
fn strongest(parties: &[RejectedParty], total: f64) -> Option<(&RejectedParty, u64)> {
    let percent = |party: &RejectedParty| (party.per_s * 100.0 / total).min(100.0);
    let of_kind = |kind: PartyKind| {
        let found = parties.iter().filter(move |party| party.kind == kind);
        let named = found.filter(|party| percent(party) >= NAMED_PERCENT);
        named.max_by(|one, other| one.per_s.total_cmp(&other.per_s))
    };
    let found = of_kind(PartyKind::User)
        .or_else(|| of_kind(PartyKind::Prefix))
        .or_else(|| of_kind(PartyKind::Origin))?;
    Some((found, percent(found).round() as u64))
}

fn subject(party: &RejectedParty) -> String {
    let value = harmless(&party.value);
    match party.kind {
        PartyKind::Prefix => value,
        PartyKind::User => format!("the user {value}"),
        PartyKind::Origin => format!("pages of {value}"),
    }
}

/// The server is overloaded, and rejections are not the reason.
fn overload(situation: &Situation) -> Option<Happening> {
    if !situation.is_overloaded {
        return None;
    }
    let mut text = since(situation.changed.as_ref());
    text.push_str(&format!("the server is overloaded ({})", situation.state));
    if !situation.why.is_empty() {
        text.push_str(&format!(": {}", situation.why));
    }
    // The level outlasts the attack that caused it.
    text.push_str(&match (&situation.ended, &situation.attack_since) {
        (Some((_, at)), _) => format!(". An attack ended at {}.", clock(at)),
        (None, Some(at)) => format!(". An attack began at {}.", clock(at)),
        (None, None) => String::from(". Rejected requests are not the cause."),
    });
    Some(Happening {
        text,
        since: situation.changed.clone(),
        rule: None,
        offenders: Vec::new(),
        operations: Vec::new(),
    })
}

/// Passwords are guessed slowly, below the limits.
fn guessing(situation: &Situation) -> Option<Happening> {
    let key = situation.guessing.as_ref()?;
    let text = match key {
        Some(key) => format!("Passwords are guessed: {}.", harmless(key)),
        None => String::from("Passwords of many accounts are guessed."),
    };
    let offenders = situation.parties.iter().take(3).cloned().collect();
    Some(Happening { text, since: None, rule: None, offenders, operations: Vec::new() })
}

/// An attack is over.
fn ended(situation: &Situation) -> Option<Happening> {
    let (rule, at) = situation.ended.as_ref()?;
    let text = format!("The attack that {rule} rejected ended at {}.", clock(at));
    Some(Happening {
        text,
        since: Some(at.clone()),
        rule: Some(rule),
        offenders: Vec::new(),
        operations: Vec::new(),
    })
}

/// The block of a network, for an hour.
fn block(party: &RejectedParty, percent: u64) -> Option<Value> {
    let prefix = Some(&party.value).filter(|_| party.kind == PartyKind::Prefix)?;
    Some(json!({
        "name": "address:block",
        "payload": {
            "prefix": prefix,
            "duration_s": BLOCK_S,
            "reason": format!("rejected by {}", party.rule),
        },
        "label": format!("Block {prefix} for 1 hour"),
        "effect": format!(
            "Unauthenticated clients of the network are rejected; signed-in users stay. \
             {percent} % of the rejections come from it."
        ),
    }))
}

fn since(at: Option<&String>) -> String {
    at.map_or_else(String::new, |at| format!("Since {}, ", clock(at)))
}

/// Hours and minutes of a time in RFC 3339, in UTC.
fn clock(at: &str) -> String {
    format!("{} UTC", at.get(11..16).unwrap_or(at))
}

impl Happening {
    /// As the overview has it; `offender` writes one of them.
    pub(crate) fn view(&self, offender: impl Fn(&RejectedParty) -> Value) -> Value {
        let mut text = self.text.clone();
        // Without a time, a sentence begins with its subject.
        if let Some(first) = text.get(..1).map(str::to_ascii_uppercase) {
            text.replace_range(..1, &first);
        }
        json!({
            "text": text,
            "since": self.since,
            "rule": self.rule,
            "offenders": self.offenders.iter().map(offender).collect::<Vec<_>>(),
            "operations": self.operations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-10-01T03:02:45.020Z";

    fn party(kind: PartyKind, value: &str, per_s: f64) -> RejectedParty {
        let rejected = per_s as u64 * 300;
        let rule = "connect_per_prefix";
        RejectedParty { kind, value: String::from(value), rule, rejected, per_s, wait_ms: 0 }
    }

    fn flood(parties: Vec<RejectedParty>) -> Situation {
        Situation {
            state: "normal",
            rates: vec![("connect_per_prefix", 100.0)],
            attack_since: Some(String::from(AT)),
            parties,
            ..Situation::default()
        }
    }

    fn check(situation: &Situation, expect: Option<&str>, operations: usize) {
        let found = describe(situation);
        assert_eq!(found.as_ref().map(|found| found.text.as_str()), expect);
        assert_eq!(found.map_or(0, |found| found.operations.len()), operations);
    }

    #[test]
    fn quiet_server_has_no_sentence() {
        check(&Situation::default(), None, 0);
        let rates = vec![("origin_rejected", 4.9)];
        check(&Situation { rates, ..Situation::default() }, None, 0);
    }

    #[test]
    fn one_network_is_named_and_its_block_is_offered() {
        use PartyKind::Prefix;
        let parties = vec![
            party(Prefix, "203.0.113.0/24", 41.0),
            party(Prefix, "198.51.100.0/24", 9.0),
            party(Prefix, "192.0.2.0/24", 0.0),
        ];
        let text = "Since 03:02 UTC, requests are rejected by connect_per_prefix, 100 a second, \
                    from 2 networks; 41 % come from 203.0.113.0/24.";
        check(&flood(parties.clone()), Some(text), 1);
        let found = describe(&flood(parties)).unwrap();
        assert_eq!(found.operations[0]["payload"]["prefix"], "203.0.113.0/24");
        assert_eq!(found.offenders.len(), 2, "a party without a present rate is left out");
    }

    #[test]
    fn flood_of_many_networks_names_none() {
        let network = |number| party(PartyKind::Prefix, &format!("10.0.{number}.0/24"), 2.0);
        let text = "Since 03:02 UTC, requests are rejected by connect_per_prefix, 100 a second, \
                    from 50 networks; no single network or user causes them.";
        check(&flood((0..50).map(network).collect()), Some(text), 0);
    }

    #[test]
    fn user_is_named_before_the_network() {
        let parties = vec![
            party(PartyKind::Prefix, "203.0.113.0/24", 95.0),
            party(PartyKind::User, "u_1", 90.0),
        ];
        let text = "Since 03:02 UTC, requests are rejected by connect_per_prefix, 100 a second; \
                    90 % come from the user u_1.";
        check(&flood(parties), Some(text), 0);
    }

    #[test]
    fn attack_during_overload_names_the_level() {
        let parties = vec![party(PartyKind::Prefix, "203.0.113.0/24", 100.0)];
        let situation = Situation { is_overloaded: true, state: "shedding", ..flood(parties) };
        let text = "Since 03:02 UTC, requests are rejected by connect_per_prefix, 100 a second; \
                    100 % come from 203.0.113.0/24. The server is in shedding.";
        check(&situation, Some(text), 1);
    }

    #[test]
    fn overload_without_rejections_is_named_without_a_cause() {
        let situation = Situation {
            is_overloaded: true,
            state: "critical",
            why: String::from("memory is 92"),
            changed: Some(String::from(AT)),
            ..Situation::default()
        };
        let text = "Since 03:02 UTC, the server is overloaded (critical): memory is 92. Rejected \
                    requests are not the cause.";
        check(&situation, Some(text), 0);
        // The level outlasts the attack that caused it.
        let situation = Situation { ended: Some(("tls_total", String::from(AT))), ..situation };
        let text = "Since 03:02 UTC, the server is overloaded (critical): memory is 92. An attack \
                    ended at 03:02 UTC.";
        check(&situation, Some(text), 0);
    }

    #[test]
    fn guessing_of_passwords_is_named_by_its_rule_or_its_alert() {
        let rates = vec![("login_per_prefix", 20.0)];
        let situation = Situation { rates, ..Situation::default() };
        let text = "logins are rejected by login_per_prefix, 20 a second; no single network or \
                    user causes them.";
        check(&situation, Some(text), 0);
        let view = describe(&situation).unwrap().view(|_| Value::Null);
        assert!(view["text"].as_str().unwrap().starts_with("Logins are"));
        let guessing = Some(Some(String::from("the name ada")));
        let situation = Situation { guessing, ..Situation::default() };
        check(&situation, Some("Passwords are guessed: the name ada."), 0);
        let situation = Situation { guessing: Some(None), ..Situation::default() };
        check(&situation, Some("Passwords of many accounts are guessed."), 0);
    }

    #[test]
    fn end_of_an_attack_is_reported() {
        let ended = Some(("connect_per_prefix", String::from(AT)));
        let situation = Situation { ended, ..Situation::default() };
        let text = "The attack that connect_per_prefix rejected ended at 03:02 UTC.";
        check(&situation, Some(text), 0);
    }

    #[test]
    fn texts_of_clients_are_harmless() {
        let hostile = "https://evil.example/\u{202e}\n<img src=x>";
        let text = describe(&flood(vec![party(PartyKind::Origin, hostile, 80.0)])).unwrap().text;
        assert!(!text.contains('\n') && !text.contains('\u{202e}'), "{text:?}");
        assert!(!text.contains("https://evil"), "links are broken up: {text:?}");
    }
}
