//! The sentence of the overview: what happens now, and the operations that help.
//! Never: reads anything; it is computed from the facts alone, and texts of clients are harmless.

use std::collections::HashMap;

use portcullis_model::{BlockScope, rule_text};
use portcullis_server::{PartyKind, RejectedParty};
use serde_json::{Value, json};

use crate::message::text::harmless;
use crate::operation::state::attack::blocked_parties::{ActiveBlock, BlockedParties};
use crate::operation::state::attack::remedy::{ban, block, block_before_tls, unblock, widen};
use crate::operation::state::attack::sources::{Source, SourceNetwork, sources};
use crate::operation::state::sampler::ATTACK_PER_S;

/// The share of the strongest rule from which the others are not mentioned, in percent.
const ALMOST_ALL_PERCENT: f64 = 90.0;
/// The share of a blocked network from which a wider block is offered.
const WIDEN_SHARE: f64 = 0.5;
/// The share of rejected TLS handshakes from which the main source is blocked before TLS. Its
/// strongest rule changes from moment to moment.
const TLS_SHARE: f64 = 0.1;
/// The share of the main source, in percent.
const MAIN_PERCENT: u64 = 50;
/// The rules that reject clients before their sign-in.
const BEFORE_SIGN_IN: [&str; 8] = [
    "tls",
    "tls_slow",
    "tls_per_prefix",
    "tls_total",
    "connect_per_prefix",
    "connect_total",
    "request_per_prefix",
    "token",
];
/// Most operations that are offered.
const OPERATIONS_MAX: usize = 3;
/// Most blocks of an ended attack that are named.
const REMAINING_NAMED_MAX: usize = 3;

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
    /// Rejections a second of the last seconds by limit or rule, strongest first.
    pub(crate) rates: Vec<(&'static str, f64)>,
    /// Parties of the last five minutes, strongest first.
    pub(crate) parties: Vec<RejectedParty>,
    /// The blocks that cover networks among the parties.
    pub(crate) blocks: Vec<ActiveBlock>,
    /// The names of users among the parties, by their ids.
    pub(crate) names: HashMap<String, String>,
    /// When the present attack began.
    pub(crate) attack_since: Option<String>,
    /// An attack that ended in the last ten minutes.
    pub(crate) ended: Option<EndedAttack>,
    /// An open alert about guessed passwords (A2 or A3), if there is one.
    pub(crate) guessing: Option<Guessing>,
}

/// An attack that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedAttack {
    pub(crate) rule: &'static str,
    /// When it ended.
    pub(crate) at: String,
    /// The blocks against it that are in force, the one that ends first comes first.
    pub(crate) blocks: Vec<ActiveBlock>,
}

/// The target or the source of guessed passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guessing {
    Account(String),
    Network(String),
    Many,
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

/// A flood of rejected requests. It lasts through pauses of half a minute.
fn attack(situation: &Situation) -> Option<Happening> {
    let total: f64 = situation.rates.iter().map(|(_, rate)| rate).sum();
    if total < ATTACK_PER_S && situation.attack_since.is_none() {
        return None;
    }
    let Some((rule, _)) = situation.rates.first().filter(|_| total >= 1.0) else {
        return pause(situation);
    };
    let parties: Vec<_> =
        situation.parties.iter().filter(|party| party.per_s > 0.0).cloned().collect();
    let divided = BlockedParties::divide(&parties, &situation.blocks);
    // A few rejections that are left beside those of blocked networks need no remedy.
    let open_share = 1.0 - divided.share();
    let is_open = total * open_share >= ATTACK_PER_S;
    let found = if is_open { sources(&divided.open, open_share) } else { Vec::new() };
    let is_origin_known = is_open && (divided.blocks.is_empty() || !found.is_empty());
    let is_contained = !is_open && !divided.blocks.is_empty() && !situation.is_overloaded;
    let text = format!(
        "{}{} {}{}{}{}",
        since(situation.attack_since.as_ref()),
        rejected_words(&situation.rates, total),
        blocked_words(&divided),
        if is_origin_known { origin_of(&divided.open, &found, situation) } else { String::new() },
        load(situation),
        if is_contained { " Nothing else is needed." } else { "" },
    );
    let floods_tls = tls_share(&situation.rates, total) >= TLS_SHARE;
    let operations = found.iter().filter_map(|source| match source {
        Source::Network(network) => Some(match floods_tls && is_main(network) {
            true => block_before_tls(network),
            false if is_before_tls(network.rule) => block_before_tls(network),
            false => block(network),
        }),
        Source::User(party, percent) => Some(ban(party, *percent, &name(party, situation))),
        Source::Origin(..) => None,
    });
    let wider = wider_block(situation, &divided).map(widen);
    Some(Happening {
        text,
        since: situation.attack_since.clone(),
        rule: Some(rule),
        operations: operations.chain(wider).take(OPERATIONS_MAX).collect(),
        offenders: parties.into_iter().take(3).collect(),
    })
}

/// An attack that can go on at any moment.
fn pause(situation: &Situation) -> Option<Happening> {
    let at = situation.attack_since.as_ref()?;
    let text = format!(
        "The attack since {} pauses: the server rejects nearly no request now. {}",
        clock(at),
        load(situation)
    );
    Some(Happening {
        text,
        since: Some(at.clone()),
        rule: None,
        offenders: Vec::new(),
        operations: Vec::new(),
    })
}

/// The number of rejected requests, with their strongest rule.
fn rejected_words(rates: &[(&'static str, f64)], total: f64) -> String {
    let is_login = |rule: &str| rule.starts_with("login") || rule.starts_with("code_failed");
    let logins: f64 = rates.iter().filter(|(rule, _)| is_login(rule)).map(|(_, rate)| rate).sum();
    let (rule, rate) = rates.first().copied().unwrap_or_default();
    let share = rate * 100.0 / total;
    format!(
        "the server rejects {} {} a second: {}{}.",
        total.round(),
        if logins * 100.0 >= total * ALMOST_ALL_PERCENT { "logins" } else { "requests" },
        match share {
            ALMOST_ALL_PERCENT.. => "",
            50.0.. => "mostly ",
            _ => "among others ",
        },
        rule_words(rule)
    )
}

/// The sentence about networks that are blocked already; empty without them.
fn blocked_words(divided: &BlockedParties) -> String {
    let percent = (divided.share() * 100.0).round();
    match divided.blocks.as_slice() {
        [] => String::new(),
        [(block, _)] => format!(
            "{percent} % come from the network {}, which is blocked until {}; {}. ",
            block.network,
            block.until_words,
            match block.scope {
                BlockScope::All => "its connections are rejected before TLS",
                BlockScope::Unauthenticated => "each connection still costs a TLS handshake",
            }
        ),
        [(strongest, _), others @ ..] => format!(
            "{percent} % come from {} blocked networks, such as {} until {}. ",
            others.len() + 1,
            strongest.network,
            strongest.until_words
        ),
    }
}

/// The block that has to reject all clients: its network overloads the server although its
/// unauthenticated clients are rejected, because each of them costs a TLS handshake.
fn wider_block<'a>(situation: &Situation, divided: &'a BlockedParties) -> Option<&'a ActiveBlock> {
    let (block, share) = divided.blocks.first()?;
    let helps = situation.is_overloaded && *share >= WIDEN_SHARE;
    Some(block).filter(|block| helps && block.scope == BlockScope::Unauthenticated)
}

/// Whether a rule rejects connections before the server knows who connects: a block that spares
/// signed-in users does not help against them.
fn is_before_tls(rule: &str) -> bool {
    rule.starts_with("tls")
}

/// Whether a network sends most of the rejected requests, and before its clients are signed in.
fn is_main(network: &SourceNetwork) -> bool {
    network.percent >= MAIN_PERCENT && BEFORE_SIGN_IN.contains(&network.rule)
}

/// The part of all rejections that rejects TLS handshakes.
fn tls_share(rates: &[(&'static str, f64)], total: f64) -> f64 {
    rates.iter().filter(|(rule, _)| is_before_tls(rule)).map(|(_, rate)| rate).sum::<f64>() / total
}

/// The text of a rule, with its name.
fn rule_words(rule: &str) -> String {
    rule_text(rule).map_or_else(|| String::from(rule), |words| format!("{words} ({rule})"))
}

/// The sentence about where the requests come from; empty when nothing is known of it.
fn origin_of(parties: &[RejectedParty], found: &[Source], situation: &Situation) -> String {
    let networks = parties.iter().filter(|party| party.kind == PartyKind::Prefix).count();
    match (found.first(), networks) {
        (Some(Source::User(party, percent)), _) => {
            format!("{percent} % come from the user {}. ", name(party, situation))
        }
        (Some(Source::Origin(party, percent)), _) => {
            format!("{percent} % come from pages of {}. ", harmless(&party.value))
        }
        (Some(Source::Network(strongest)), 2..) => format!(
            "They come from {networks} networks, {} % from {}. ",
            strongest.percent, strongest.network
        ),
        (Some(Source::Network(strongest)), _) => {
            format!("{} % come from {}. ", strongest.percent, strongest.network)
        }
        (None, 2..) => {
            format!("They come from {networks} networks; no network sends a large part. ")
        }
        (None, _) => String::new(),
    }
}

/// Whether users are affected: the last sentence about an attack.
fn load(situation: &Situation) -> String {
    if situation.is_overloaded {
        return format!("The server is overloaded ({}).", situation.state);
    }
    String::from("The server is not overloaded.")
}

/// The name of a user, else the id.
fn name(party: &RejectedParty, situation: &Situation) -> String {
    harmless(situation.names.get(&party.value).unwrap_or(&party.value))
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
        (Some(ended), _) => {
            format!(". An attack ended at {}. {}", clock(&ended.at), remaining(&ended.blocks))
        }
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
    let text = match situation.guessing.as_ref()? {
        Guessing::Account(name) => {
            format!("Passwords of the account {} are guessed.", harmless(name))
        }
        Guessing::Network(network) => {
            format!("Passwords are guessed from the network {}.", harmless(network))
        }
        Guessing::Many => String::from("Passwords of many accounts are guessed."),
    };
    let offenders = situation.parties.iter().take(3).cloned().collect();
    let guessed = Happening { text, since: None, rule: None, offenders, operations: Vec::new() };
    let Some(ended) = ended(situation) else { return Some(guessed) };
    let text = format!("{} {}", guessed.text, ended.text);
    Some(Happening { text, operations: ended.operations, ..guessed })
}

/// An attack is over; its blocks can remain.
fn ended(situation: &Situation) -> Option<Happening> {
    let EndedAttack { rule, at, blocks } = situation.ended.as_ref()?;
    let text = format!(
        "The attack ended at {}. The server rejected {}. {}",
        clock(at),
        rule_words(rule),
        remaining(blocks)
    );
    let operations = blocks.iter().take(OPERATIONS_MAX).map(|block| unblock(block, &clock(at)));
    Some(Happening {
        text,
        since: Some(at.clone()),
        rule: Some(rule),
        offenders: Vec::new(),
        operations: operations.collect(),
    })
}

/// The sentence about the blocks that an attack has left.
fn remaining(blocks: &[ActiveBlock]) -> String {
    let named = blocks.iter().take(REMAINING_NAMED_MAX);
    let named = named.map(|block| format!("{} until {}", block.network, block.until_words));
    let named: Vec<_> = named.collect();
    let more = blocks.len() - named.len();
    let beginning = match blocks {
        [] => return String::from("No block of it remains."),
        [_] => String::from("One block of it remains"),
        _ => format!("{} blocks of it remain", blocks.len()),
    };
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("{beginning}: {}{more}.", named.join(", "))
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
    use crate::operation::call::check_reason;

    const AT: &str = "2026-10-01T03:02:45.020Z";

    fn party(kind: PartyKind, value: &str, per_s: f64) -> RejectedParty {
        let (rejected, share) = (per_s as u64 * 300, per_s / 100.0);
        let (value, rule) = (String::from(value), "connect_per_prefix");
        RejectedParty { kind, value, rule, rejected, per_s, share, wait_ms: 0 }
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

    /// The beginning of the sentence about a flood of 100 requests.
    const FLOOD: &str = "Since 03:02 UTC, the server rejects 100 requests a second: too many \
                         connection attempts from one network (connect_per_prefix). ";

    #[test]
    fn one_network_is_named_and_its_block_is_offered() {
        use PartyKind::Prefix;
        let parties = vec![
            party(Prefix, "203.0.113.0/24", 41.0),
            party(Prefix, "198.51.100.0/24", 9.0),
            party(Prefix, "192.0.2.0/24", 0.0),
        ];
        let text = format!(
            "{FLOOD}They come from 2 networks, 41 % from 203.0.113.0/24. The server is not \
             overloaded."
        );
        check(&flood(parties.clone()), Some(&text), 1);
        let found = describe(&flood(parties)).unwrap();
        assert_eq!(found.operations[0]["payload"]["prefix"], "203.0.113.0/24");
        assert_eq!(found.offenders.len(), 2, "a party without a present rate is left out");
    }

    #[test]
    fn flood_of_many_networks_names_none() {
        let network = |number| party(PartyKind::Prefix, &format!("10.{number}.0.0/24"), 2.0);
        let text = format!(
            "{FLOOD}They come from 50 networks; no network sends a large part. The server is not \
             overloaded."
        );
        check(&flood((0..50).map(network).collect()), Some(&text), 0);
    }

    #[test]
    fn block_of_the_common_network_is_offered_for_a_flood_of_neighbours() {
        let network = |number| party(PartyKind::Prefix, &format!("10.7.{number}.0/24"), 2.0);
        let text = format!(
            "{FLOOD}They come from 32 networks, 64 % from 10.7.0.0/19. The server is not \
             overloaded."
        );
        check(&flood((0..32).map(network).collect()), Some(&text), 1);
    }

    #[test]
    fn user_is_named_by_name_and_a_ban_is_offered() {
        let parties = vec![
            party(PartyKind::Prefix, "203.0.113.0/24", 95.0),
            party(PartyKind::User, "u_1", 90.0),
        ];
        let rates = vec![("message_per_user", 80.0), ("event_per_user", 20.0)];
        let names = HashMap::from([(String::from("u_1"), String::from("ada"))]);
        let situation = Situation { rates, names, ..flood(parties) };
        let text = "Since 03:02 UTC, the server rejects 100 requests a second: mostly too many \
                    messages of one user (message_per_user). 90 % come from the user ada. The \
                    server is not overloaded.";
        check(&situation, Some(text), 1);
        let found = describe(&situation).unwrap();
        assert_eq!(found.operations[0]["payload"]["user"], "u_1");
        assert_eq!(found.operations[0]["label"], "Ban ada for 1 hour");
    }

    fn blocked(network: &str, scope: BlockScope) -> ActiveBlock {
        let (until, until_words) = (String::from(AT), String::from("03:02 UTC"));
        ActiveBlock { network: network.parse().unwrap(), scope, until, until_words, rest_s: 7_200 }
    }

    #[test]
    fn blocked_network_is_named_as_blocked_and_not_offered_again() {
        use PartyKind::Prefix;
        let parties = vec![
            party(Prefix, "203.0.113.0/24", 60.0),
            party(Prefix, "203.0.112.0/24", 39.0),
            party(Prefix, "198.51.100.0/24", 1.0),
        ];
        let blocks = vec![blocked("203.0.112.0/23", BlockScope::Unauthenticated)];
        let situation = Situation { blocks, ..flood(parties.clone()) };
        let contained = format!(
            "{FLOOD}99 % come from the network 203.0.112.0/23, which is blocked until 03:02 UTC; \
             each connection still costs a TLS handshake. "
        );
        let text = format!("{contained}The server is not overloaded. Nothing else is needed.");
        check(&situation, Some(&text), 0);
        // Each client costs a TLS handshake: an overloaded server rejects them before it.
        let situation = Situation { is_overloaded: true, state: "shedding", ..situation };
        let text = format!("{contained}The server is overloaded (shedding).");
        check(&situation, Some(&text), 1);
        let found = describe(&situation).unwrap();
        assert_eq!(found.operations[0]["payload"]["scope"], "all");
        let duration_s = &found.operations[0]["payload"]["duration_s"];
        assert_eq!(duration_s, 7_200, "no earlier than the present block");
        let blocks = vec![blocked("203.0.112.0/23", BlockScope::All)];
        let text = text.replace(
            "each connection still costs a TLS handshake",
            "its connections are rejected before TLS",
        );
        check(&Situation { blocks, ..situation }, Some(&text), 0);
        // A second network goes on beside the blocked one.
        let mut parties = parties;
        parties[2] = party(Prefix, "198.51.100.0/24", 10.0);
        parties[1] = party(Prefix, "203.0.112.0/24", 30.0);
        let blocks = ["203.0.113.0/24", "203.0.112.0/24"];
        let blocks = blocks.map(|network| blocked(network, BlockScope::All)).to_vec();
        let text = format!(
            "{FLOOD}90 % come from 2 blocked networks, such as 203.0.113.0/24 until 03:02 UTC. \
             10 % come from 198.51.100.0/24. The server is not overloaded."
        );
        check(&Situation { blocks, ..flood(parties) }, Some(&text), 1);
    }

    #[test]
    fn flood_of_tls_handshakes_is_answered_by_a_block_before_tls() {
        let mut parties = vec![party(PartyKind::Prefix, "203.0.113.0/24", 100.0)];
        parties[0].rule = "tls_total";
        let rates = vec![("tls_total", 100.0)];
        let found = describe(&Situation { rates, ..flood(parties) }).unwrap();
        assert_eq!(found.operations[0]["payload"]["scope"], "all");
        assert_eq!(found.operations[0]["label"], "Block all clients of 203.0.113.0/24 for 1 hour");
    }

    #[test]
    fn flood_of_tokens_and_tls_handshakes_keeps_its_remedy() {
        let mut parties = vec![party(PartyKind::Prefix, "203.0.113.0/24", 100.0)];
        parties[0].rule = "token";
        for (tls, label) in [
            (60.0, "Block all clients of 203.0.113.0/24 for 1 hour"),
            (12.0, "Block all clients of 203.0.113.0/24 for 1 hour"),
            (9.0, "Block 203.0.113.0/24 for 1 hour"),
        ] {
            let rates = vec![("token", 100.0 - tls), ("tls_total", tls)];
            let found = describe(&Situation { rates, ..flood(parties.clone()) }).unwrap();
            assert_eq!(found.operations[0]["label"], label, "{tls}");
        }
        // Signed-in users send the messages: a block of all clients would end more than the flood.
        // So do users with too many connections, and clients that return.
        for rule in ["message_per_connection", "connections_per_user", "connect_known_per_prefix"] {
            parties[0].rule = rule;
            let rates = vec![(rule, 80.0), ("tls_total", 20.0)];
            let found = describe(&Situation { rates, ..flood(parties.clone()) }).unwrap();
            assert_eq!(found.operations[0]["label"], "Block 203.0.113.0/24 for 1 hour", "{rule}");
        }
    }

    #[test]
    fn attack_lasts_through_a_pause() {
        use PartyKind::Prefix;
        let parties =
            vec![party(Prefix, "203.0.113.0/24", 95.0), party(Prefix, "192.0.2.0/24", 5.0)];
        let rates = vec![("connect_per_prefix", 2.0)];
        let situation = Situation { rates, ..flood(parties) };
        let text = "Since 03:02 UTC, the server rejects 2 requests a second: too many connection \
                    attempts from one network (connect_per_prefix). The server is not overloaded.";
        check(&situation, Some(text), 0);
        let text = "The attack since 03:02 UTC pauses: the server rejects nearly no request now. \
                    The server is not overloaded.";
        check(&Situation { rates: Vec::new(), ..situation.clone() }, Some(text), 0);
        let rates = vec![("connect_per_prefix", 0.4)];
        check(&Situation { rates, ..situation }, Some(text), 0);
    }

    #[test]
    fn remedy_fits_the_rule_of_its_source() {
        let mut parties = vec![
            party(PartyKind::Prefix, "203.0.113.0/24", 60.0),
            party(PartyKind::Prefix, "198.51.100.0/24", 30.0),
        ];
        (parties[0].rule, parties[1].rule) = ("tls_total", "login_per_prefix");
        let rates = vec![("tls_total", 45.0), ("login_per_prefix", 40.0), ("token", 15.0)];
        let found = describe(&Situation { rates, ..flood(parties) }).unwrap();
        let begin = "Since 03:02 UTC, the server rejects 100 requests a second: among others TLS ";
        assert!(found.text.starts_with(begin), "{}", found.text);
        let payloads: Vec<_> = found.operations.iter().map(|one| &one["payload"]).collect();
        assert_eq!((&payloads[0]["scope"], &payloads[1]["scope"]), (&json!("all"), &Value::Null));
        let reason = "30 % of all rejected requests came from 198.51.100.0/24: too many logins and \
                      registrations from one network (login_per_prefix).";
        assert_eq!(payloads[1]["reason"], reason);
    }

    #[test]
    fn attack_during_overload_names_the_level() {
        let parties = vec![party(PartyKind::Prefix, "203.0.113.0/24", 100.0)];
        let situation = Situation { is_overloaded: true, state: "shedding", ..flood(parties) };
        let text =
            format!("{FLOOD}100 % come from 203.0.113.0/24. The server is overloaded (shedding).");
        check(&situation, Some(&text), 1);
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
        let ended = EndedAttack { rule: "tls_total", at: String::from(AT), blocks: Vec::new() };
        let situation = Situation { ended: Some(ended), ..situation };
        let text = "Since 03:02 UTC, the server is overloaded (critical): memory is 92. An attack \
                    ended at 03:02 UTC. No block of it remains.";
        check(&situation, Some(text), 0);
    }

    #[test]
    fn guessing_of_passwords_is_named_by_its_rule_or_its_alert() {
        let rates = vec![("login_per_prefix", 20.0)];
        let situation = Situation { rates, ..Situation::default() };
        let text = "the server rejects 20 logins a second: too many logins and registrations from \
                    one network (login_per_prefix). The server is not overloaded.";
        check(&situation, Some(text), 0);
        let view = describe(&situation).unwrap().view(|_| Value::Null);
        assert!(view["text"].as_str().unwrap().starts_with("The server rejects"));
        let check_guessing = |guessing, text| {
            check(&Situation { guessing: Some(guessing), ..Situation::default() }, Some(text), 0);
        };
        let account = Guessing::Account(String::from("ada"));
        check_guessing(account, "Passwords of the account ada are guessed.");
        let network = Guessing::Network(String::from("203.0.113.0/24"));
        check_guessing(network, "Passwords are guessed from the network 203.0.113.0/24.");
        check_guessing(Guessing::Many, "Passwords of many accounts are guessed.");
    }

    #[test]
    fn end_of_an_attack_is_reported() {
        let situation = after_attack(&[]);
        check(&situation, Some(&format!("{ENDED}No block of it remains.")), 0);
    }

    /// The beginning of the sentence about an attack that has ended.
    const ENDED: &str = "The attack ended at 03:02 UTC. The server rejected too many connection \
                         attempts from one network (connect_per_prefix). ";

    fn after_attack(networks: &[&str]) -> Situation {
        let blocks = networks.iter().map(|network| blocked(network, BlockScope::All)).collect();
        let ended = EndedAttack { rule: "connect_per_prefix", at: String::from(AT), blocks };
        Situation { ended: Some(ended), ..Situation::default() }
    }

    #[test]
    fn blocks_of_an_ended_attack_are_named_with_their_end_and_can_be_removed() {
        let one = "One block of it remains: 203.0.113.0/24 until 03:02 UTC.";
        let situation = after_attack(&["203.0.113.0/24"]);
        check(&situation, Some(&format!("{ENDED}{one}")), 1);
        let found = describe(&situation).unwrap();
        let operation = &found.operations[0];
        assert_eq!(operation["name"], "address:unblock");
        assert_eq!(operation["payload"]["prefix"], "203.0.113.0/24");
        assert!(check_reason(operation["payload"]["reason"].as_str().unwrap()).is_ok());
        let many = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/48"];
        let text = "4 blocks of it remain: 192.0.2.0/24 until 03:02 UTC, 198.51.100.0/24 until \
                    03:02 UTC, 203.0.113.0/24 until 03:02 UTC, and 1 more.";
        check(&after_attack(&many), Some(&format!("{ENDED}{text}")), 3);
        // The load level outlasts the attack, and guessed passwords are more important.
        let overloaded = Situation { is_overloaded: true, state: "shedding", ..situation.clone() };
        let text =
            format!("the server is overloaded (shedding). An attack ended at 03:02 UTC. {one}");
        check(&overloaded, Some(&text), 0);
        let guessed = Situation { guessing: Some(Guessing::Many), ..situation };
        let text = format!("Passwords of many accounts are guessed. {ENDED}{one}");
        check(&guessed, Some(&text), 1);
    }

    #[test]
    fn texts_of_clients_are_harmless() {
        let hostile = "https://evil.example/\u{202e}\n<img src=x>";
        let text = describe(&flood(vec![party(PartyKind::Origin, hostile, 80.0)])).unwrap().text;
        assert!(!text.contains('\n') && !text.contains('\u{202e}'), "{text:?}");
        assert!(!text.contains("https://evil"), "links are broken up: {text:?}");
    }
}
