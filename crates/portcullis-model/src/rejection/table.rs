//! The table of denials: one row for every way a client can be rejected.
//! Never: two texts for causes that the client must not distinguish.

use super::answer::Retry::{Given, Never};
use super::answer::{Answer, ClosedBy, Retry, Violation};
use super::denial::Denial;
use super::shed_kind::ShedKind;
use super::token_fault::TokenFault;
use crate::limit::Limit;
use crate::record::{Code, Severity};

const AFTER_5_S: Retry = Retry::AfterMs(5_000);
const AFTER_30_S: Retry = Retry::AfterMs(30_000);

/// Makes the match over all denials, and the one over their numbers, from one table.
macro_rules! denials {
    ($($number:literal, $denial:pat => $code:literal, $status:literal, $close:literal,
        $record:ident, $severity:ident, $violation:ident, $retry:ident,
        $rule:literal, $message:literal $(, $reason:literal)?;)*) => {
        impl Denial {
            /// The row of this denial.
            pub(crate) fn row(&self) -> Answer {
                match self {
                    $($denial => denials!(@row $number, $code, $status, $close, $record,
                        $severity, $violation, $retry, $rule, $message $(, $reason)?),)*
                }
            }
        }

        impl Answer {
            /// The row with this number; `None` for a number that no row has.
            #[must_use]
            pub fn of_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(denials!(@row $number, $code, $status, $close, $record,
                        $severity, $violation, $retry, $rule, $message $(, $reason)?)),)*
                    _ => None,
                }
            }
        }
    };
    (@row $number:literal, $code:literal, $status:literal, $close:literal,
        $record:ident, $severity:ident, $violation:ident, $retry:ident,
        $rule:literal, $message:literal $(, $reason:literal)?) => {
        Answer {
            number: $number,
            code: $code,
            message: $message,
            status: $status,
            closed_by: closed_by($close),
            event: Code::$record,
            rule: $rule,
            reason: [$($reason,)? $rule][0],
            severity: Severity::$severity,
            violation: Violation::$violation,
            retry: $retry,
        }
    };
}

const fn closed_by(code: u16) -> ClosedBy {
    match code {
        0 => ClosedBy::Nothing,
        code => ClosedBy::Code(code),
    }
}

// Each row: number, denial => client code, HTTP status, close code (0: the connection goes on),
// record code, severity, violation, retry, rule, text, and a reason where the rule has several.
//
// Numbers stand in references that clients quote later. A number is never given to another row.
//
// A violation is something that a stock client of an honest user does not cause: not by a restart
// of the server, a token that has ended, a network that changes, or a full server, and not by what
// a user writes. Many users share an address and would be blocked together.
denials! {
    // HTTP, before anything is known of the client.
    1, Self::RequestMalformed =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "http", "Bad request: not HTTP/1.1, or framed in a way that is not accepted";
    2, Self::HeadTimeout =>
        "handshake_timeout", 408, 1002, WsProtocolViolation, Warning, Counts, Never,
        "head_timeout", "Request timeout";
    3, Self::HeadSlow =>
        "handshake_timeout", 408, 1002, WsProtocolViolation, Warning, Counts, Never,
        "head_slow", "Request timeout";
    4, Self::HeadTooLarge =>
        "too_large", 431, 1002, WsProtocolViolation, Warning, Counts, Never,
        "head_size", "Request header fields too large";
    5, Self::TargetTooLong =>
        "too_large", 414, 1002, WsProtocolViolation, Warning, Counts, Never,
        "target_size", "URI too long";
    6, Self::BodyTimeout =>
        "handshake_timeout", 408, 1002, WsProtocolViolation, Warning, Counts, Never,
        "body_timeout", "Request timeout";
    7, Self::BodySlow =>
        "handshake_timeout", 408, 1002, WsProtocolViolation, Warning, Counts, Never,
        "body_slow", "Request timeout";
    8, Self::TooLarge =>
        "too_large", 413, 1009, WsProtocolViolation, Warning, No, Never,
        "size", "Payload too large";
    9, Self::MediaType =>
        "media_type", 415, 1002, WsProtocolViolation, Warning, Counts, Never,
        "media_type", "Unsupported media type: see Content-Type and Content-Encoding";
    10, Self::NotFound =>
        "not_found", 404, 1002, MaliciousExcess404, Warning, Counts, Never,
        "not_found", "Not found";
    11, Self::MethodNotAllowed =>
        "method_not_allowed", 405, 1002, MaliciousExtraneous, Warning, Counts, Never,
        "method", "Method not allowed";
    // A browser that does not trust the certificate, a probe of a load balancer.
    12, Self::TlsFailed =>
        "protocol_error", 400, 1002, WsProtocolViolation, Info, No, Never,
        "tls", "TLS handshake failed";
    // The network may be slow, and the client not at fault.
    13, Self::TlsSlow =>
        "handshake_timeout", 408, 1002, WsProtocolViolation, Warning, No, Never,
        "tls_slow", "TLS handshake too slow";
    // A machine of the operator is at fault, not a client.
    14, Self::ProxyHeader =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, No, Never,
        "proxy_protocol", "No PROXY header";
    15, Self::PlainText =>
        "https_required", 403, 1002, WsProtocolViolation, Warning, Counts, Never,
        "plain_text", "Use HTTPS";
    // Admission.
    16, Self::Host =>
        "protocol_error", 400, 1008, MaliciousExtraneous, Warning, Counts, Never,
        "host", "Bad request: header Host is missing or not listed in [listen] hosts";
    17, Self::OriginMissing =>
        "forbidden_origin", 403, 1008, MaliciousCsrf, Warning, Counts, Never,
        "origin_missing",
        "header Origin is missing: set it, or send Authorization and see [origin] without_origin";
    18, Self::OriginForbidden =>
        "forbidden_origin", 403, 1008, MaliciousCsrf, Warning, Counts, Never,
        "origin_rejected", "Forbidden";
    // Retries of a blocked client are expected, and must not raise further alerts.
    173, Self::NetworkBlocked =>
        "network_blocked", 403, 4403, NetworkBlocked, Info, No, Never,
        "block", "An administrator has blocked this network";
    19, Self::Busy =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, AFTER_30_S,
        "capacity", "Server busy";
    20, Self::Shed(ShedKind::UnauthenticatedConnection) =>
        "server_busy", 503, 1013, SysOverload, Warning, No, AFTER_30_S,
        "shedding", "Server busy", "unauthenticated";
    21, Self::Shed(ShedKind::ReturningConnection) =>
        "server_busy", 503, 1013, SysOverload, Warning, No, AFTER_30_S,
        "shedding", "Server busy", "returning";
    22, Self::Shed(ShedKind::Request) =>
        "server_busy", 503, 1013, SysOverload, Warning, No, AFTER_30_S,
        "shedding", "Server busy", "request";
    23, Self::Shed(ShedKind::Login) =>
        "server_busy", 503, 1013, SysOverload, Warning, No, AFTER_30_S,
        "shedding", "Server busy", "login";
    24, Self::Draining =>
        "server_busy", 503, 1012, SysShutdown, Info, No, AFTER_30_S, "draining", "Server busy";
    25, Self::TokenInUrl =>
        "unauthorized", 401, 1008, AuthnLoginFail, Warning, Counts, Never,
        "token_in_url", "Credentials do not belong in a URL: send them in auth or Authorization";
    26, Self::TwoCredentials =>
        "protocol_error", 400, 1008, MaliciousExtraneous, Warning, Counts, Never,
        "two_credentials", "Bad request";
    // Handshakes of Engine.IO and WebSocket.
    27, Self::TransportUnknown =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "transport", "Transport unknown";
    // The network of the client has changed, of many clients at a time where they share one.
    132, Self::SessionUnknown("prefix") =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, No, Never,
        "session_unknown", "Session ID unknown", "prefix";
    // This tells a polling client that its session has ended, or that the server was restarted.
    172, Self::SessionUnknown("gone") =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, No, Never,
        "session_unknown", "Session ID unknown", "gone";
    28, Self::SessionUnknown(_) =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "session_unknown", "Session ID unknown";
    // A poll that waits while the server ends its session.
    133, Self::Polling("session_ended") =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, No, Never,
        "polling", "Bad request", "session_ended";
    29, Self::Polling(_) =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "polling", "Bad request";
    30, Self::HandshakeMethod =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "handshake_method", "Bad handshake method";
    31, Self::Parameters(_) =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "parameters", "Bad request";
    // A client of version 2 is old, not an attacker.
    32, Self::EngineVersion =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, No, Never,
        "engine_version", "Unsupported protocol version";
    33, Self::PollingOff =>
        "protocol_error", 400, 1002, WsProtocolViolation, Info, No, Never,
        "polling_off", "Long-polling is not offered here: connect with transports: [\"websocket\"]";
    34, Self::UpgradeMalformed =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "upgrade", "Bad request: not a WebSocket handshake (RFC 6455); check proxies on the path";
    35, Self::UpgradeVersion =>
        "protocol_error", 426, 1002, WsProtocolViolation, Warning, Counts, Never,
        "upgrade_version", "WebSocket version 13 is required";
    // Frames and packets.
    36, Self::Frame(_) =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "frame", "Protocol error";
    37, Self::Utf8 =>
        "protocol_error", 400, 1007, WsProtocolViolation, Warning, Counts, Never,
        "utf8", "Invalid UTF-8";
    38, Self::Fragments =>
        "protocol_error", 400, 1008, WsProtocolViolation, Warning, Counts, Never,
        "fragments", "Too many fragments";
    39, Self::AssemblyTimeout =>
        "handshake_timeout", 408, 4408, WsProtocolViolation, Warning, Counts, Never,
        "assembly_timeout", "Message took too long";
    40, Self::BinaryRefused =>
        "protocol_error", 400, 1003, WsProtocolViolation, Warning, Counts, Never,
        "binary", "Binary data is not accepted";
    41, Self::ControlFlood =>
        "rate_limited", 429, 1008, WsProtocolViolation, Warning, Counts, Never,
        "control_rate", "Too many control frames";
    42, Self::Packet(_) =>
        "protocol_error", 400, 1002, WsProtocolViolation, Warning, Counts, Never,
        "packet", "Protocol error";
    43, Self::PreAuthBudget =>
        "too_large", 413, 1009, WsProtocolViolation, Warning, Counts, Never,
        "pre_auth_budget", "Too much data before CONNECT";
    44, Self::ConnectTimeout =>
        "handshake_timeout", 408, 4408, WsProtocolViolation, Warning, No, Never,
        "connect_timeout", "No CONNECT in time";
    45, Self::PingTimeout =>
        "handshake_timeout", 408, 4408, WsDisconnected, Info, No, Never,
        "ping_timeout", "Ping timeout";
    46, Self::Sequence(_) =>
        "protocol_error", 400, 1002, SequenceFail, Warning, Counts, Never,
        "sequence", "Protocol error";
    47, Self::NamespaceUnknown =>
        "forbidden", 400, 0, MaliciousExtraneous, Warning, Counts, Never,
        "namespace", "Invalid namespace";
    48, Self::SlowConsumer =>
        "server_busy", 503, 1013, WsDisconnected, Warning, No, Never,
        "slow_consumer", "Reading too slowly";
    // Identity: every rejected token reads the same outside. A renewal leaves its connection open.
    // Violations are tokens that no issuer has signed like that. Honest clients show tokens and
    // cookies that have ended, were revoked or were used, or whose key has left the key set.
    49, Self::Token(TokenFault::Missing) | Self::Renewal(TokenFault::Missing) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "missing";
    50, Self::Token(TokenFault::CookieOnly) | Self::Renewal(TokenFault::CookieOnly) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "cookie_not_sufficient";
    51, Self::Token(TokenFault::Shape) | Self::Renewal(TokenFault::Shape) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "shape";
    52, Self::Token(TokenFault::Header) | Self::Renewal(TokenFault::Header) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "header";
    53, Self::Token(TokenFault::Type) | Self::Renewal(TokenFault::Type) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "type";
    54, Self::Token(TokenFault::Algorithm) | Self::Renewal(TokenFault::Algorithm) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "algorithm";
    55, Self::Token(TokenFault::Key) | Self::Renewal(TokenFault::Key) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "key";
    56, Self::Token(TokenFault::Signature) | Self::Renewal(TokenFault::Signature) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "signature";
    57, Self::Token(TokenFault::Claims) | Self::Renewal(TokenFault::Claims) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "claims";
    58, Self::Token(TokenFault::Expired) | Self::Renewal(TokenFault::Expired) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "expired";
    59, Self::Token(TokenFault::NotYet) | Self::Renewal(TokenFault::NotYet) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "not_yet";
    60, Self::Token(TokenFault::Lifetime) | Self::Renewal(TokenFault::Lifetime) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "lifetime";
    61, Self::Token(TokenFault::User) | Self::Renewal(TokenFault::User) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "user";
    62, Self::Token(TokenFault::Revoked) | Self::Renewal(TokenFault::Revoked) =>
        "unauthorized", 401, 4401, SessionUseAfterExpire, Warning, No, Never,
        "token", "unauthorized", "revoked";
    63, Self::Token(TokenFault::Session) | Self::Renewal(TokenFault::Session) =>
        "unauthorized", 401, 4401, SessionUseAfterExpire, Warning, No, Never,
        "token", "unauthorized", "session";
    64, Self::Token(TokenFault::Clock) | Self::Renewal(TokenFault::Clock) =>
        "unauthorized", 401, 4401, ClockSkew, Critical, No, Never,
        "token", "unauthorized", "clock_skew";
    65, Self::Token(TokenFault::Ticket) | Self::Renewal(TokenFault::Ticket) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "ticket";
    66, Self::Token(TokenFault::Used) | Self::Renewal(TokenFault::Used) =>
        "unauthorized", 401, 4401, AuthnTokenReuse, Warning, No, Never,
        "token", "unauthorized", "used_before";
    67, Self::Token(TokenFault::Bound) | Self::Renewal(TokenFault::Bound) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "bound";
    68, Self::Token(TokenFault::Proof) | Self::Renewal(TokenFault::Proof) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "token", "unauthorized", "proof";
    69, Self::SessionEnded("expired" | "idle" | "absolute") =>
        "session_ended", 401, 4401, SessionExpired, Info, No, Never,
        "session", "Session ended", "expired";
    // Sent only to a connection of that user; a log-in does not tell it (`Login`).
    158, Self::SessionEnded("barred") =>
        "session_ended", 401, 4401, SessionRevoked, Info, No, Never,
        "session", "You are banned or your account is locked", "barred";
    70, Self::SessionEnded(_) =>
        "session_ended", 401, 4401, SessionRevoked, Info, No, Never,
        "session", "Session ended", "revoked";
    71, Self::AuthorityUnconfirmed =>
        "server_busy", 503, 1013, AuthorityUnconfirmed, Critical, No, AFTER_30_S,
        "authority", "Server busy";
    72, Self::NonceNeeded =>
        "use_dpop_nonce", 401, 4401, AuthnLoginFail, Info, No, Never,
        "nonce", "Sign the proof with the nonce of this answer";
    73, Self::TotpRequired =>
        "totp_required", 401, 4401, AuthnLoginFail, Info, No, Never,
        "totp", "A one-time code is needed";
    74, Self::ReauthRequired =>
        "reauth_required", 401, 0, AuthzFail, Info, No, Never, "recent", "Log in again first";
    75, Self::Login { .. } =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, Counts, Never,
        "login", "Wrong user name or password";
    171, Self::UserConnectionsUnheard =>
        "connection_limit", 429, 1008, ExcessSessionsExceeded, Warning, No, AFTER_5_S,
        "connections_per_user", "Too many connections", "unheard";
    76, Self::UserConnections =>
        "connection_limit", 429, 1008, ExcessSessionsExceeded, Warning, No, Never,
        "connections_per_user", "Too many connections";
    // Messages, accounts and rooms.
    77, Self::EventUnknown =>
        "UNKNOWN_EVENT", 400, 0, MaliciousExtraneous, Warning, Counts, Never,
        "event", "Unknown event";
    78, Self::PayloadTooLarge =>
        "too_large", 413, 0, InputValidationFail, Warning, No, Never,
        "payload", "Payload too large";
    // Valid JSON beyond a structural limit, or with half of a surrogate pair, as browsers write it.
    134, Self::Json("nodes" | "items" | "depth" | "keys" | "surrogate" | "number_length"
        | "number_range") =>
        "INVALID_MESSAGE", 400, 0, InputValidationFail, Warning, No, Never,
        "json", "Invalid message", "json_limit";
    79, Self::Json(_) =>
        "INVALID_MESSAGE", 400, 0, InputValidationFail, Warning, Counts, Never,
        "json", "Invalid message";
    170, Self::Schema { rule: "totp", .. } =>
        "INVALID_MESSAGE", 400, 0, AuthnLoginFail, Warning, No, Never,
        "totp", "Invalid message";
    80, Self::Schema { .. } =>
        "INVALID_MESSAGE", 400, 0, InputValidationFail, Warning, No, Never,
        "schema", "Invalid message";
    // The session ended between the permit and the commit; the connection is about to end.
    135, Self::Forbidden("ended") =>
        "forbidden", 403, 0, AuthzFail, Warning, No, Never, "access", "Forbidden", "ended";
    // A handler emits to a room that its permit does not cover. The handler may be at fault.
    152, Self::Forbidden("room_not_covered") =>
        "forbidden", 403, 0, AuthzFail, Warning, No, Never,
        "access", "Forbidden", "room_not_covered";
    81, Self::Forbidden(_) =>
        "forbidden", 403, 0, AuthzFail, Warning, Counts, Never, "access", "Forbidden";
    82, Self::Replay(_) =>
        "REPLAY", 409, 0, SequenceFail, Warning, Counts, Never, "replay", "Message replayed";
    83, Self::MidConflict =>
        "IDEMPOTENCY_CONFLICT", 409, 0, SequenceFail, Warning, No, Never,
        "mid", "The same mid was used for another message";
    153, Self::MidPending =>
        "server_busy", 503, 0, SequenceFail, Info, No, AFTER_5_S,
        "mid_pending", "The first message with this mid is still being handled";
    85, Self::NameTaken =>
        "name_taken", 409, 0, InputValidationFail, Warning, No, Never, "name", "Name is taken";
    86, Self::PasswordWeak(_) =>
        "weak_password", 400, 0, InputValidationFail, Warning, No, Never,
        "password", "Use 8 to 128 characters that are not a well-known password";
    // An honest person has an old page or link. Whether registration is open is public, and the
    // secret of a link is random, so naming the cause helps no attacker.
    87, Self::Registration("closed") =>
        "forbidden", 403, 0, AuthzFail, Info, No, Never, "registration",
        "Registration is closed on this server: ask an administrator for an account", "closed";
    176, Self::Registration("invitation_needed") =>
        "forbidden", 403, 0, AuthzFail, Info, No, Never, "registration",
        "Registration needs an invitation: ask an administrator for one", "invitation_needed";
    177, Self::Registration("setup") =>
        "forbidden", 403, 0, AuthzFail, Warning, No, Never, "registration",
        "This set-up link is not valid: it was used, or a later start replaced it", "setup";
    178, Self::Registration(_) =>
        "forbidden", 403, 0, AuthzFail, Warning, No, Never, "registration",
        "This invitation is not valid: it was used, revoked or expired; ask for another one",
        "invitation";
    88, Self::RoomLimit(_) =>
        "limit_reached", 409, 0, InputValidationFail, Warning, No, Never,
        "room_limit", "Limit reached";
    // Faults of the server; too many violations.
    // The operation that the handler waits for may still happen: same answer as below.
    89, Self::HandlerTimeout =>
        "server_busy", 503, 0, SysCrash, Critical, No, AFTER_5_S, "handler_timeout", "Server busy";
    90, Self::Overloaded =>
        "server_busy", 503, 0, SysOverload, Warning, No, AFTER_5_S, "overloaded", "Server busy";
    91, Self::Internal(_) =>
        "INTERNAL", 500, 0, SysCrash, Critical, No, Never, "internal", "Internal error";
    92, Self::Strikes =>
        "rate_limited", 429, 4429, ExcessRateLimitExceeded, Warning, No, Never,
        "strikes", "Too many violations";
    // Limits that the operator sets. A client over a limit waits; this is not a violation.
    93, Self::Limit { limit: Limit::ConnectPerPrefix, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "connect_per_prefix", "Too many connections from this address";
    94, Self::Limit { limit: Limit::ConnectKnownPerPrefix, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "connect_known_per_prefix", "Too many connections from this address";
    95, Self::Limit { limit: Limit::ConnectTotal, .. } =>
        "server_busy", 503, 1013, ExcessRateLimitExceeded, Warning, No, Given,
        "connect_total", "Server busy";
    96, Self::Limit { limit: Limit::TlsPerPrefix, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "tls_per_prefix", "Too many requests";
    97, Self::Limit { limit: Limit::TlsTotal, .. } =>
        "server_busy", 503, 1013, ExcessRateLimitExceeded, Warning, No, Given,
        "tls_total", "Server busy";
    98, Self::Limit { limit: Limit::RequestPerPrefix, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "request_per_prefix", "Too many requests";
    99, Self::Limit { limit: Limit::LoginPerPrefix, .. } =>
        "rate_limited", 429, 1008, AuthnLoginFailMax, Warning, No, Given,
        "login_per_prefix", "Too many requests";
    100, Self::Limit { limit: Limit::LoginPerUser, .. } =>
        "rate_limited", 429, 1008, AuthnLoginFailMax, Warning, No, Given,
        "login_per_user", "Too many requests";
    101, Self::Limit { limit: Limit::LoginFailedPerUser, .. } =>
        "rate_limited", 429, 1008, AuthnLoginFailMax, Warning, No, Given,
        "login_failed_per_user", "Too many requests";
    102, Self::Limit { limit: Limit::LoginTotal, .. } =>
        "server_busy", 503, 1013, ExcessRateLimitExceeded, Warning, No, Given,
        "login_total", "Server busy";
    103, Self::Limit { limit: Limit::TicketPerUser, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "ticket_per_user", "Too many requests";
    104, Self::Limit { limit: Limit::MessagePerConnection, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "message_per_connection", "Too many messages";
    105, Self::Limit { limit: Limit::MessagePerUser, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "message_per_user", "Too many messages";
    106, Self::Limit { limit: Limit::MessagePerPrefix, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "message_per_prefix", "Too many messages";
    107, Self::Limit { limit: Limit::MessageTotal, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "message_total", "Too many messages";
    108, Self::Limit { limit: Limit::EventPerUser, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "event_per_user", "Too many messages";
    109, Self::Limit { limit: Limit::BytesPerConnection, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "bytes_per_connection", "Too many messages";
    110, Self::Limit { limit: Limit::BytesPerUser, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "bytes_per_user", "Too many messages";
    111, Self::Limit { limit: Limit::BytesPerPrefix, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "bytes_per_prefix", "Too many messages";
    112, Self::Limit { limit: Limit::BytesTotal, .. } =>
        "RATE_LIMIT_EXCEEDED", 429, 0, ExcessRateLimitExceeded, Warning, No, Given,
        "bytes_total", "Too many messages";
    113, Self::Limit { limit: Limit::PenaltyPerPrefix, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "penalty_per_prefix", "Too many requests";
    114, Self::Limit { limit: Limit::PenaltyPerUser, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "penalty_per_user", "Too many requests";
    115, Self::Limit { limit: Limit::ConnectionsTotal, .. } =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, Given,
        "connections_total", "Server busy";
    116, Self::Limit { limit: Limit::PreAuthTotal, .. } =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, Given,
        "pre_auth_total", "Server busy";
    117, Self::Limit { limit: Limit::PreAuthPerPrefix, .. } =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, Given,
        "pre_auth_per_prefix", "Server busy";
    118, Self::Limit { limit: Limit::ConnectionsPerPrefix, .. } =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, Given,
        "connections_per_prefix", "Server busy";
    119, Self::Limit { limit: Limit::HttpPerPrefix, .. } =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, Given,
        "http_per_prefix", "Server busy";
    120, Self::Limit { limit: Limit::HttpTotal, .. } =>
        "server_busy", 503, 1013, ExcessSessionsExceeded, Warning, No, Given,
        "http_total", "Server busy";
    121, Self::Limit { limit: Limit::NamespacePerConnection, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "namespace_per_connection", "Too many requests";
    122, Self::Limit { limit: Limit::NamespacePerUser, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "namespace_per_user", "Too many requests";
    123, Self::Limit { limit: Limit::SignaturePerConnection, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "signature_per_connection", "Too many requests";
    124, Self::Limit { limit: Limit::SignaturePerUser, .. } =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, Given,
        "signature_per_user", "Too many requests";
    // The visitor of the other site's page has done nothing, so it is an answer.
    125, Self::CrossSite =>
        "forbidden_origin", 403, 1008, MaliciousCsrf, Info, No, Never,
        "cross_site", "Forbidden: caused by a page of another site that sends no Origin";
    126, Self::Limit { limit: Limit::CodeFailedPerUser, .. } =>
        "rate_limited", 429, 1008, AuthnLoginFailMax, Warning, No, Given,
        "code_failed_per_user", "Too many requests";
    // Identity: what one party holds, and what belongs to another one.
    127, Self::ShareFull(_) =>
        "rate_limited", 429, 1008, ExcessRateLimitExceeded, Warning, No, AFTER_30_S,
        "share_full", "Too many requests";
    128, Self::ForeignToken =>
        "unauthorized", 401, 0, MaliciousDirectReference, Warning, Counts, Never,
        "foreign_token", "unauthorized";
    // Storage: the record of its state says why; these say which requests it met.
    129, Self::OutcomeUnknown =>
        "server_busy", 503, 0, SysOverload, Warning, No, AFTER_5_S,
        "outcome_unknown", "Server busy";
    130, Self::StorageFull =>
        "storage_full", 503, 0, SysOverload, Warning, No, AFTER_30_S,
        "storage_full", "Storage is full";
    131, Self::StorageFailed =>
        "storage_failed", 503, 0, SysOverload, Warning, No, AFTER_30_S,
        "storage_failed", "Storage failed";
    // A login link is denied before a limit counts, so it reads as a field of the request. A link
    // that this server made for the user has its own text; guessed links all read the same.
    136, Self::LoginLink("used") =>
        "INVALID_MESSAGE", 400, 0, AuthnLoginFail, Warning, No, Never, "login_link",
        "This login link was used already: log in without it, or ask for another one", "used";
    137, Self::LoginLink("expired") =>
        "INVALID_MESSAGE", 400, 0, AuthnLoginFail, Info, No, Never, "login_link",
        "This login link has expired: log in without it, or ask for another one", "expired";
    138, Self::LoginLink(_) =>
        "INVALID_MESSAGE", 400, 0, AuthnLoginFail, Warning, No, Never, "login_link",
        "This login link is not valid for this user name: log in without it", "invalid";
    // The answer adds until when.
    139, Self::Muted { .. } =>
        "forbidden", 403, 0, AuthzFail, Warning, No, Given, "muted", "You are muted";
    // Content of messages. Each spam rule says what it found, so that the sender can write it
    // otherwise; none of them counts as a violation.
    140, Self::Spam("link_in_link") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: a link begins inside another link (link_in_link)",
        "link_in_link";
    141, Self::Spam("one_character") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: it is one repeated character (one_character)",
        "one_character";
    142, Self::Spam("one_link") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: it is one repeated link (one_link)",
        "one_link";
    143, Self::Spam("phrase_with_link") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: a phrase of advertising and a link (phrase_with_link)",
        "phrase_with_link";
    144, Self::Spam("shouting_with_links") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: several links and a long run of signs \
        (shouting_with_links)", "shouting_with_links";
    145, Self::Spam("phrase") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: a phrase of advertising (phrase)", "phrase";
    146, Self::Spam("many_links") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: more than two links or hosts (many_links)",
        "many_links";
    147, Self::Spam("long_run") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: a character more than ten times in a row (long_run)",
        "long_run";
    150, Self::Spam("only_phrases") =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam: nothing but phrases of advertising (only_phrases)",
        "only_phrases";
    84, Self::Spam(_) =>
        "SPAM_DETECTED", 400, 0, SpamDetected, Warning, No, Never,
        "spam", "Message rejected as spam";
    148, Self::Malicious =>
        "INVALID_CONTENT", 400, 0, XssAttempt, Warning, No, Never,
        "markup", "Invalid content detected", "refused";
    149, Self::UnknownMember(_) =>
        "INVALID_MESSAGE", 400, 0, InputValidationFail, Warning, No, Never,
        "schema", "Invalid message", "unknown_field";
    // A rejection of the application: the denial has the code and text of the answer.
    151, Self::App(_) =>
        "app", 400, 0, AppRejected, Info, No, Never,
        "app", "Rejected by the application: the record has its code";
    // Genuine tokens for another purpose: the application sends the wrong one.
    160, Self::Token(TokenFault::IdToken) | Self::Renewal(TokenFault::IdToken) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "id_token";
    161, Self::Token(TokenFault::OtherToken) | Self::Renewal(TokenFault::OtherToken) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "other_token";
    162, Self::Token(TokenFault::Scope) | Self::Renewal(TokenFault::Scope) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "scope";
    163, Self::Token(TokenFault::Details) | Self::Renewal(TokenFault::Details) =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never,
        "token", "unauthorized", "authorization_details";
    // A user who lacks a second factor learns it, because the user can add one.
    164, Self::SecondFactor("role") =>
        "second_factor_required", 403, 0, AuthzFail, Warning, No, Never, "second_factor",
        "Your role has no effect until you sign in with a second factor", "role";
    165, Self::SecondFactor("setup") =>
        "second_factor_required", 403, 0, AuthzFail, Info, No, Never, "second_factor",
        "Add a second factor to your account first", "setup";
    166, Self::SecondFactor(_) =>
        "second_factor_required", 403, 0, AuthnLoginFail, Warning, No, Never, "second_factor",
        "Sign in again with a second factor", "issuer";
    // These state what the developer of the client has to change. They are sent before the token is
    // read, so they reveal nothing about it.
    167, Self::TicketNeeded =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never, "ticket_needed",
        "A token opens no connection here: POST /auth/ticket, and connect with auth {ticket}";
    168, Self::ProofNeeded =>
        "unauthorized", 401, 4401, AuthnLoginFail, Warning, No, Never, "proof_needed",
        "A token needs a proof of the client's key: Authorization: DPoP, header DPoP (RFC 9449)";
    169, Self::IssuerKeysMissing { .. } =>
        "server_busy", 503, 1013, AuthorityUnconfirmed, Critical, No, Given,
        "authority", "Server busy", "issuer_keys";
    // For this client, the dashboard does not exist: the answers are those of 10 and 47.
    174, Self::HiddenPath(_) =>
        "not_found", 404, 1002, MaliciousExcess404, Warning, Counts, Never,
        "dashboard_path", "Not found";
    175, Self::HiddenNamespace(_) =>
        "forbidden", 400, 0, MaliciousExtraneous, Warning, Counts, Never,
        "dashboard_namespace", "Invalid namespace";
}
