//! The rows of the operator's limits: of connecting, of messages, of how many at a time.
//! Never: a limit whose name is not its rule.

use crate::answer::{Answer, ClosedBy, Severity};
use crate::limit::Limit;

/// The row of a limit.
pub(crate) fn limit_answer(limit: Limit) -> Answer {
    let row = |code, message, status, close, event, strike| Answer {
        code,
        message,
        status,
        closed_by: close,
        event,
        rule: limit.name(),
        severity: Severity::Warning,
        strike,
    };
    let exceeded = "excess_rate_limit_exceeded";
    match limit {
        Limit::ConnectPerPrefix
        | Limit::ConnectKnownPerPrefix
        | Limit::TlsPerPrefix
        | Limit::RequestPerPrefix
        | Limit::TicketPerUser
        | Limit::PenaltyPerPrefix
        | Limit::PenaltyPerUser => {
            let close = ClosedBy::Code(1008);
            row("rate_limited", "Too many requests", 429, close, exceeded, true)
        }
        Limit::LoginPerPrefix | Limit::LoginPerUser | Limit::LoginFailedPerUser => {
            let close = ClosedBy::Code(1008);
            row("rate_limited", "Too many requests", 429, close, "authn_login_fail_max", true)
        }
        Limit::MessagePerConnection
        | Limit::MessagePerUser
        | Limit::MessagePerPrefix
        | Limit::EventPerUser
        | Limit::BytesPerConnection
        | Limit::BytesPerUser
        | Limit::BytesPerPrefix => {
            let close = ClosedBy::Nothing;
            row("RATE_LIMIT_EXCEEDED", "Too many messages", 429, close, exceeded, true)
        }
        // What all share is no fault of the one who meets it.
        Limit::MessageTotal | Limit::BytesTotal => {
            let close = ClosedBy::Nothing;
            row("RATE_LIMIT_EXCEEDED", "Too many messages", 429, close, exceeded, false)
        }
        Limit::ConnectTotal | Limit::TlsTotal | Limit::LoginTotal => {
            let close = ClosedBy::Code(1013);
            row("server_busy", "Server busy", 503, close, exceeded, false)
        }
        Limit::ConnectionsTotal
        | Limit::PreAuthTotal
        | Limit::PreAuthPerPrefix
        | Limit::ConnectionsPerPrefix
        | Limit::HttpPerPrefix
        | Limit::HttpTotal => {
            let (close, event) = (ClosedBy::Code(1013), "excess_sessions_exceeded");
            row("server_busy", "Server busy", 503, close, event, false)
        }
    }
}
