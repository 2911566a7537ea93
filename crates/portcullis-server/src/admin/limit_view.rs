//! Limits and their use as JSON, for all answers to operators.
//! Never: a decision about a client.

use portcullis_guard::{LimitState, PrefixUsage};
use serde_json::{Value, json};

/// The limits of a prefix, and the connections that it holds.
#[must_use]
pub fn prefix_view(limits: &[LimitState], held: &PrefixUsage) -> Value {
    let PrefixUsage { http, pre_auth, authenticated } = held;
    json!({
        "held": { "http": http, "pre_auth": pre_auth, "authenticated": authenticated },
        "limits": limits.iter().map(limit_view).collect::<Vec<_>>(),
    })
}

/// One limit: its words and key in the configuration, its use, the wait until it permits more, and
/// whether it only observes.
#[must_use]
pub fn limit_view(state: &LimitState) -> Value {
    json!({
        "limit": state.limit.name(),
        "text": state.limit.text(),
        "key": state.limit.config_key(),
        "event": state.event,
        "used": state.used,
        "of": state.count,
        "period_ms": state.period_ms,
        "wait_ms": state.wait_ms,
        "observed": state.observed,
    })
}
