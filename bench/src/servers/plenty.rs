//! Limits that no benchmark reaches: every guard is on, and every rate is wide.
//! Never: a guard that is switched off, or a rate that keeps its default by oversight.

use std::fmt::Write;

use portcullis_guard::{CapacityOptions, GateOptions, LoadState, Rate};

/// A rate that no benchmark reaches.
const RATE: Rate = Rate { count: 1_000_000_000, period_ms: 1_000 };
/// Connections, in all and of one address prefix; unauthenticated ones may be half of them.
/// More than any row opens, and fewer than the files a process may usually open.
const CONNECTIONS: u32 = 15_000;
/// Events that benchmarks send and that have a rate of their own.
const EVENTS: [&str; 4] = ["chat:history", "chat:send", "room:create", "room:join"];

/// The options of a gate with wide limits.
///
/// The load level is always normal: a benchmark saturates the server on purpose, and
/// an overloaded server rejects part of the work.
pub(crate) fn gate_options() -> GateOptions {
    let places = CapacityOptions {
        total: CONNECTIONS,
        pre_auth: CONNECTIONS / 2,
        pre_auth_per_prefix: CONNECTIONS / 2,
        per_prefix: CONNECTIONS,
        http_per_prefix: CONNECTIONS,
        ..CapacityOptions::default()
    };
    GateOptions {
        connect_per_prefix: RATE,
        connect_known_per_prefix: RATE,
        connect_total: RATE,
        tls_per_prefix: RATE,
        tls_total: RATE,
        request_per_prefix: RATE,
        login_per_prefix: RATE,
        login_per_user: RATE,
        login_failed_per_user: RATE,
        code_failed_per_user: RATE,
        login_total: RATE,
        ticket_per_user: RATE,
        message_per_user: RATE,
        message_per_connection: RATE,
        message_per_prefix: RATE,
        message_total: RATE,
        bytes_per_connection: RATE,
        bytes_per_user: RATE,
        bytes_per_prefix: RATE,
        bytes_total: RATE,
        namespace_per_connection: RATE,
        namespace_per_user: RATE,
        signature_per_connection: RATE,
        signature_per_user: RATE,
        penalty_per_prefix: RATE,
        penalty_per_user: RATE,
        capacity: places,
        load: Some(LoadState::Normal),
        ..GateOptions::default()
    }
}

/// The sections `[rate]`, `[capacity]` and `[overload]` of a configuration with wide limits.
///
/// The names come from the gate's own list, so a rate that is added there is wide here too.
pub(crate) fn configuration() -> String {
    let Rate { count, period_ms } = RATE;
    let mut text = String::from("[rate]\n");
    for (limit, _default) in GateOptions::default().rates() {
        let _written = writeln!(text, "{} = \"{count}/{period_ms}ms\"", limit.name());
    }
    let events = EVENTS.map(|event| format!("\"{event}\" = \"{count}/{period_ms}ms\""));
    let _written = writeln!(text, "event_per_user = {{ {} }}", events.join(", "));
    let half = CONNECTIONS / 2;
    let _written = writeln!(
        text,
        "[capacity]\nconnections_total = {CONNECTIONS}\nconnections_per_prefix = {CONNECTIONS}\n\
         http_per_prefix = {CONNECTIONS}\nhttp_total = {CONNECTIONS}\npre_auth_total = {half}\n\
         pre_auth_per_prefix = {half}\n[overload]\nstate = \"normal\""
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_of_the_gate_is_wide() {
        for (limit, rate) in gate_options().rates() {
            assert_eq!(rate, RATE, "{} keeps its default", limit.name());
        }
    }

    #[test]
    fn every_rate_of_the_configuration_is_wide() {
        let text = configuration();
        for (limit, _default) in GateOptions::default().rates() {
            let line = format!("\n{} = \"1000000000/1000ms\"\n", limit.name());
            assert!(text.contains(&line), "{line}");
        }
    }
}
