//! The operations that the overview offers against an attack.
//! Never: performs one; the administrator sees the effect and confirms.

use ipnet::IpNet;
use portcullis_model::{BlockScope, rule_text};
use portcullis_server::RejectedParty;
use serde_json::{Value, json};

use crate::operation::state::attack::blocked_parties::ActiveBlock;
use crate::operation::state::attack::sources::SourceNetwork;

/// Seconds for which a block or a ban is offered.
const DURATION_S: u64 = 3_600;

/// The block of a network.
pub(crate) fn block(source: &SourceNetwork) -> Value {
    let SourceNetwork { network, percent, rule } = source;
    json!({
        "name": "address:block",
        "payload": {
            "prefix": network.to_string(),
            "duration_s": DURATION_S,
            "reason": reason(*percent, &network.to_string(), rule),
        },
        "label": format!("Block {network} for 1 hour"),
        "effect": format!(
            "Unauthenticated clients of the network are rejected; signed-in users stay. \
             {percent} % of the rejections come from it."
        ),
    })
}

/// The block of all clients of a network whose unauthenticated clients are blocked already; it ends
/// no earlier than the present block.
pub(crate) fn widen(block: &ActiveBlock) -> Value {
    let reason = format!(
        "Unauthenticated clients of {} were blocked already, but their TLS handshakes still \
         overloaded the server.",
        block.network
    );
    let effect = "Connections are rejected before TLS, also those of signed-in users there.";
    let label = format!("Block all clients of {}", block.network);
    block_all((block.network, &reason), block.rest_s.max(DURATION_S), &label, effect)
}

/// The block of all clients of a network that floods the server with TLS handshakes.
pub(crate) fn block_before_tls(source: &SourceNetwork) -> Value {
    let SourceNetwork { network, percent, rule } = source;
    let effect = format!(
        "Connections are rejected before TLS, also those of signed-in users there. {percent} % of \
         the rejections come from it."
    );
    let label = format!("Block all clients of {network} for 1 hour");
    let reason = reason(*percent, &network.to_string(), rule);
    block_all((*network, &reason), DURATION_S, &label, &effect)
}

fn block_all(
    (network, reason): (IpNet, &str),
    duration_s: u64,
    label: &str,
    effect: &str,
) -> Value {
    json!({
        "name": "address:block",
        "payload": {
            "prefix": network.to_string(),
            "scope": BlockScope::All.name(),
            "duration_s": duration_s,
            "reason": reason,
        },
        "label": label,
        "effect": effect,
    })
}

/// The end of a block whose attack has ended; `ended` is the time in words.
pub(crate) fn unblock(block: &ActiveBlock, ended: &str) -> Value {
    let ActiveBlock { network, until_words, .. } = block;
    let effect =
        format!("Its clients can connect again. The block ends by itself at {until_words}.");
    json!({
        "name": "address:unblock",
        "payload": {
            "prefix": network.to_string(),
            "reason": format!("The attack ended at {ended}."),
        },
        "label": format!("Remove the block of {network}"),
        "effect": effect,
    })
}

/// The ban of a user; `name` is harmless.
pub(crate) fn ban(party: &RejectedParty, percent: u64, name: &str) -> Value {
    json!({
        "name": "user:ban",
        "payload": {
            "user": party.value,
            "duration_s": DURATION_S,
            "reason": reason(percent, "this user", party.rule),
        },
        "label": format!("Ban {name} for 1 hour"),
        "effect": "The user cannot sign in, and all connections of the user end.",
    })
}

/// The reason that the dialog proposes: a sentence that is clear without the numbers of the moment.
fn reason(percent: u64, source: &str, rule: &str) -> String {
    let what =
        rule_text(rule).map_or_else(|| format!("rule {rule}"), |text| format!("{text} ({rule})"));
    format!("{percent} % of all rejected requests came from {source}: {what}.")
}

#[cfg(test)]
mod tests {
    use portcullis_model::Limit;

    use super::*;
    use crate::operation::call::check_reason;

    #[test]
    fn proposed_reason_is_a_sentence_that_the_server_accepts() {
        assert_eq!(
            reason(41, "203.0.113.0/24", "connect_per_prefix"),
            "41 % of all rejected requests came from 203.0.113.0/24: too many connection attempts \
             from one network (connect_per_prefix)."
        );
        assert_eq!(
            reason(100, "this user", "new_rule"),
            "100 % of all rejected requests came from this user: rule new_rule."
        );
        let longest = "1234:1234:1234:1234:1234:1234:1234:1234/128";
        for limit in Limit::ALL {
            assert!(check_reason(&reason(100, longest, limit.name())).is_ok(), "{}", limit.name());
        }
        let network = longest.parse().unwrap();
        let (until, until_words) = (String::new(), String::new());
        let scope = BlockScope::Unauthenticated;
        let block = ActiveBlock { network, scope, until, until_words, rest_s: 60 };
        let widened = widen(&block);
        assert!(check_reason(widened["payload"]["reason"].as_str().unwrap()).is_ok(), "{widened}");
    }
}
