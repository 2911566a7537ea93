//! The operations that the overview offers against an attack.
//! Never: performs one; the administrator sees the effect and confirms.

use ipnet::IpNet;
use portcullis_model::BlockScope;
use portcullis_server::RejectedParty;
use serde_json::{Value, json};

use crate::operation::state::blocked_parties::ActiveBlock;
use crate::operation::state::sources::SourceNetwork;

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
            "reason": format!("rejected by {rule}"),
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
pub(crate) fn widen(block: &ActiveBlock, rule: &str) -> Value {
    let effect = "Connections are rejected before TLS, also those of signed-in users there.";
    let label = format!("Block all clients of {}", block.network);
    block_all((block.network, rule), block.rest_s.max(DURATION_S), &label, effect)
}

/// The block of all clients of a network that floods the server with TLS handshakes.
pub(crate) fn block_before_tls(source: &SourceNetwork) -> Value {
    let SourceNetwork { network, percent, rule } = source;
    let effect = format!(
        "Connections are rejected before TLS, also those of signed-in users there. {percent} % of \
         the rejections come from it."
    );
    let label = format!("Block all clients of {network} for 1 hour");
    block_all((*network, rule), DURATION_S, &label, &effect)
}

fn block_all((network, rule): (IpNet, &str), duration_s: u64, label: &str, effect: &str) -> Value {
    json!({
        "name": "address:block",
        "payload": {
            "prefix": network.to_string(),
            "scope": BlockScope::All.name(),
            "duration_s": duration_s,
            "reason": format!("rejected by {rule}"),
        },
        "label": label,
        "effect": effect,
    })
}

/// The ban of a user; `name` is harmless.
pub(crate) fn ban(party: &RejectedParty, name: &str) -> Value {
    json!({
        "name": "user:ban",
        "payload": {
            "user": party.value,
            "duration_s": DURATION_S,
            "reason": format!("rejected by {}", party.rule),
        },
        "label": format!("Ban {name} for 1 hour"),
        "effect": "The user cannot sign in, and all connections of the user end.",
    })
}
