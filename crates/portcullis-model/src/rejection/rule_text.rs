//! The requests that each limit and rule rejects, in words for administrators.
//! Never: a text for the client; a row of the table has that.

/// The requests that a limit or rule rejects: a noun phrase, such as "invalid access tokens".
///
/// `None` for a name that no row of the table has.
#[must_use]
pub fn rule_text(rule: &str) -> Option<&'static str> {
    of_limit(rule).or_else(|| of_request(rule)).or_else(|| of_message(rule))
}

/// Limits that the operator sets.
fn of_limit(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "connect_per_prefix" => "too many connection attempts from one network",
        "connect_known_per_prefix" => "too many reconnects of returning clients from one network",
        "connect_total" => "connection attempts beyond the limit for all clients",
        "tls_per_prefix" => "too many TLS handshakes from one network",
        "tls_total" => "TLS handshakes beyond the limit for all clients",
        "request_per_prefix" => "too many HTTP requests from one network",
        "login_per_prefix" => "too many logins and registrations from one network",
        "login_per_user" => "too many logins to one user name",
        "login_failed_per_user" => "too many wrong passwords for one user name",
        "code_failed_per_user" => "too many wrong one-time codes for one account",
        "login_total" => "logins and registrations beyond the limit for all clients",
        "ticket_per_user" => "too many connection tickets of one user",
        "message_per_connection" => "too many messages on one connection",
        "message_per_user" => "too many messages of one user",
        "message_per_prefix" => "too many messages from one network",
        "message_total" => "messages beyond the limit for all clients",
        "event_per_user" => "too many messages of one kind by one user",
        "bytes_per_connection" => "too much data on one connection",
        "bytes_per_user" => "too much data of one user",
        "bytes_per_prefix" => "too much data from one network",
        "bytes_total" => "data beyond the limit for all clients",
        "namespace_per_connection" => "too many changes of namespace on one connection",
        "namespace_per_user" => "too many changes of namespace by one user",
        "signature_per_connection" => "too many credentials to check on one connection",
        "signature_per_user" => "too many credentials to check for one user",
        "penalty_per_prefix" => "networks blocked for a while after many violations",
        "penalty_per_user" => "users blocked for a while after many violations",
        "connections_total" => "connections beyond the number that the server holds",
        "pre_auth_total" => "too many open connections without a login",
        "pre_auth_per_prefix" => "too many open connections without a login from one network",
        "connections_per_prefix" => "too many open connections from one network",
        "http_per_prefix" => "too many open HTTP connections from one network",
        "http_total" => "too many open HTTP connections",
        "connections_per_user" => "too many open connections of one user",
        "share_full" => "clients that use more than a fair share of a limit",
        "strikes" => "clients with too many violations",
        _ => return None,
    })
}

/// Requests, handshakes and credentials.
fn of_request(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "http" => "malformed HTTP requests",
        "head_timeout" | "head_slow" => "HTTP headers that arrive too slowly",
        "head_size" => "HTTP headers that are too large",
        "target_size" => "URLs that are too long",
        "body_timeout" | "body_slow" => "request bodies that arrive too slowly",
        "size" => "request bodies or messages that are too large",
        "media_type" => "request bodies of an unsupported media type",
        "not_found" | "dashboard_path" => "requests for paths that do not exist",
        "method" => "requests with a method that is not allowed",
        "tls" => "failed TLS handshakes",
        "tls_slow" => "TLS handshakes that take too long",
        "proxy_protocol" => "connections from a proxy without a PROXY header",
        "plain_text" => "requests without HTTPS",
        "host" => "requests for a host that is not listed",
        "origin_missing" => "requests without an Origin header",
        "origin_rejected" => "requests by pages from an origin that is not allowed",
        "cross_site" => "requests caused by pages of other sites",
        "block" => "clients in blocked networks",
        "capacity" => "connections beyond the capacity of the server",
        "shedding" => "requests that an overloaded server rejects first",
        "overloaded" => "requests that an overloaded server cannot serve",
        "draining" => "new connections while the server shuts down",
        "token_in_url" => "URLs that contain credentials",
        "two_credentials" => "requests with two different credentials",
        "transport" => "unknown transports of Socket.IO",
        "session_unknown" => "requests with an unknown Socket.IO session",
        "polling" => "invalid long-polling requests",
        "polling_off" => "long-polling, which is off",
        "handshake_method" | "parameters" | "upgrade" => "invalid handshakes",
        "engine_version" => "clients with an old Socket.IO protocol",
        "upgrade_version" => "clients with another WebSocket version",
        "connect_timeout" => "connections without a login in time",
        "pre_auth_budget" => "too much data before the login",
        "token" | "foreign_token" => "invalid access tokens",
        "ticket_needed" => "tokens where a ticket is required",
        "proof_needed" | "nonce" => "tokens without a valid proof of the client's key",
        "session" => "sessions that have ended",
        "authority" => "logins that cannot be verified now",
        "totp" => "logins without a valid one-time code",
        "second_factor" => "users without the required second factor",
        "recent" => "operations that need a recent login",
        "login" => "logins with a wrong user name or password",
        "login_link" => "login links that are not valid",
        "registration" => "registrations that are closed, or without a valid invitation",
        "name" => "registrations of a name that is taken",
        "password" => "new passwords that are too weak",
        _ => return None,
    })
}

/// Frames, messages and faults of the server.
fn of_message(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "frame" | "packet" | "sequence" => "messages that break the protocol",
        "utf8" => "text that is not valid UTF-8",
        "fragments" => "messages in too many fragments",
        "assembly_timeout" => "messages that arrive too slowly",
        "binary" => "binary data, which is not accepted",
        "control_rate" => "too many control frames",
        "ping_timeout" => "clients that stopped answering",
        "namespace" | "dashboard_namespace" => "unknown namespaces",
        "slow_consumer" => "clients that read too slowly",
        "event" => "unknown events",
        "payload" => "payloads that are too large",
        "json" => "invalid JSON",
        "schema" => "messages with invalid fields",
        "access" => "operations that the user is not allowed to perform",
        "replay" => "messages that were sent before",
        "mid" => "message ids used for two messages",
        "mid_pending" => "messages sent again while the first one is handled",
        "muted" => "messages of muted users",
        "spam" => "messages that look like spam",
        "markup" => "messages with dangerous markup",
        "room_limit" => "rooms and members beyond a limit",
        "app" => "messages rejected by the application",
        "handler_timeout" => "messages whose handler took too long",
        "internal" => "messages that failed with an internal error",
        "outcome_unknown" => "changes whose result the database did not confirm",
        "storage_full" => "changes while the storage is full",
        "storage_failed" => "changes while the storage fails",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;
    use crate::rejection::Answer;

    #[test]
    fn every_rule_of_the_table_has_a_text() {
        let rules = (0..=u8::MAX).filter_map(Answer::of_number).map(|answer| answer.rule);
        let missing: Vec<_> = rules.filter(|rule| rule_text(rule).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(Limit::ALL.into_iter().all(|limit| rule_text(limit.name()).is_some()));
        assert_eq!(rule_text("no_such_rule"), None);
    }
}
