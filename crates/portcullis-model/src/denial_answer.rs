//! One row for every refusal: code, text, status, close code, record, severity.
//! Never: two texts for causes the peer must not tell apart.

use crate::answer::{Answer, ClosedBy, Severity};
use crate::denial::Denial;
use crate::denial_limit::limit_answer;

const INFO: Severity = Severity::Info;
const WARNING: Severity = Severity::Warning;
const CRITICAL: Severity = Severity::Critical;

impl Denial {
    /// Everything there is to say about this refusal.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::RequestMalformed
            | Self::HeadTimeout
            | Self::HeadSlow
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::BodyTimeout
            | Self::BodySlow
            | Self::TooLarge
            | Self::MediaType
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TlsFailed
            | Self::TlsSlow
            | Self::ProxyHeader
            | Self::PlainText => self.http_answer(),
            Self::Host
            | Self::OriginMissing
            | Self::OriginForbidden
            | Self::Limit { .. }
            | Self::Busy
            | Self::Shed(_)
            | Self::Draining
            | Self::TokenInUrl
            | Self::TwoCredentials => self.admission_answer(),
            Self::TransportUnknown
            | Self::SessionUnknown(_)
            | Self::Polling(_)
            | Self::HandshakeMethod
            | Self::Parameters
            | Self::EngineVersion
            | Self::PollingOff
            | Self::UpgradeMalformed
            | Self::UpgradeVersion => self.handshake_answer(),
            Self::Frame(_)
            | Self::Utf8
            | Self::Fragments
            | Self::AssemblyTimeout
            | Self::BinaryRefused
            | Self::ControlFlood
            | Self::Packet(_)
            | Self::PreAuthBudget
            | Self::ConnectTimeout
            | Self::PingTimeout
            | Self::Sequence(_)
            | Self::NamespaceUnknown
            | Self::SlowConsumer => self.protocol_answer(),
            _ => self.acting_answer(),
        }
    }

    /// The rows of peers that are let in: who they are, what they ask, what fails here.
    fn acting_answer(&self) -> Answer {
        match self {
            Self::Token(_)
            | Self::Renewal(_)
            | Self::SessionEnded(_)
            | Self::AuthorityUnconfirmed
            | Self::NonceNeeded
            | Self::TotpRequired
            | Self::ReauthRequired
            | Self::Login { .. }
            | Self::UserConnections => self.identity_answer(),
            Self::EventUnknown
            | Self::PayloadTooLarge
            | Self::Json(_)
            | Self::Schema { .. }
            | Self::Forbidden(_)
            | Self::Replay(_)
            | Self::MidConflict
            | Self::Spam(_)
            | Self::NameTaken
            | Self::PasswordWeak
            | Self::RegistrationClosed
            | Self::RoomLimit(_) => self.message_answer(),
            Self::HandlerTimeout | Self::Overloaded | Self::Internal(_) | Self::Strikes => {
                self.own_answer()
            }
            _ => self.http_answer(),
        }
    }

    fn http_answer(&self) -> Answer {
        let row = |code, message, status, rule| {
            let closed_by = ClosedBy::Code(1002);
            let event = "ws_protocol_violation";
            Answer {
                code,
                message,
                status,
                closed_by,
                event,
                rule,
                severity: WARNING,
                strike: true,
            }
        };
        match self {
            Self::HeadTimeout => row("handshake_timeout", "Request timeout", 408, "head_timeout"),
            Self::HeadSlow => row("handshake_timeout", "Request timeout", 408, "head_slow"),
            Self::HeadTooLarge => {
                row("too_large", "Request header fields too large", 431, "head_size")
            }
            Self::TargetTooLong => row("too_large", "URI too long", 414, "target_size"),
            Self::BodyTimeout => row("handshake_timeout", "Request timeout", 408, "body_timeout"),
            Self::BodySlow => row("handshake_timeout", "Request timeout", 408, "body_slow"),
            Self::TooLarge => Answer {
                closed_by: ClosedBy::Code(1009),
                ..row("too_large", "Payload too large", 413, "size")
            },
            Self::MediaType => row("media_type", "Unsupported media type", 415, "media_type"),
            Self::NotFound => Answer {
                event: "malicious_excess_404",
                ..row("not_found", "Not found", 404, "not_found")
            },
            Self::MethodNotAllowed => Answer {
                event: "malicious_extraneous",
                ..row("method_not_allowed", "Method not allowed", 405, "method")
            },
            // A browser that does not trust the certificate, a probe of a load balancer.
            Self::TlsFailed => Answer {
                severity: INFO,
                strike: false,
                ..row("protocol_error", "TLS handshake failed", 400, "tls")
            },
            // Before it is known whose fault it is: the network's, or a peer's who holds a place.
            Self::TlsSlow => Answer {
                strike: false,
                ..row("handshake_timeout", "TLS handshake too slow", 408, "tls_slow")
            },
            // The operator's own machines, so no peer is to blame.
            Self::ProxyHeader => Answer {
                strike: false,
                ..row("protocol_error", "No PROXY header", 400, "proxy_protocol")
            },
            Self::PlainText => row("https_required", "Use HTTPS", 403, "plain_text"),
            _ => row("protocol_error", "Bad request", 400, "http"),
        }
    }

    fn admission_answer(&self) -> Answer {
        let row = |code, message, status, event, rule, severity| {
            let closed_by = ClosedBy::Code(1008);
            Answer { code, message, status, closed_by, event, rule, severity, strike: true }
        };
        let busy = |rule| Answer {
            closed_by: ClosedBy::Code(1013),
            strike: false,
            ..row("server_busy", "Server busy", 503, "excess_sessions_exceeded", rule, WARNING)
        };
        let origin =
            |rule| row("forbidden_origin", "Forbidden", 403, "malicious_csrf", rule, CRITICAL);
        match self {
            Self::OriginMissing => origin("origin_missing"),
            Self::OriginForbidden => origin("origin_rejected"),
            Self::Limit { limit, .. } => limit_answer(*limit),
            Self::Busy => busy("capacity"),
            Self::Shed(_) => Answer { event: "sys_overload", ..busy("shedding") },
            Self::Draining => Answer {
                event: "sys_shutdown",
                severity: INFO,
                closed_by: ClosedBy::Code(1012),
                ..busy("draining")
            },
            Self::TokenInUrl => {
                let message = "Credentials do not belong in a URL";
                row("unauthorized", message, 401, "authn_login_fail", "token_in_url", WARNING)
            }
            Self::TwoCredentials => {
                let event = "malicious_extraneous";
                row("protocol_error", "Bad request", 400, event, "two_credentials", WARNING)
            }
            _ => row("protocol_error", "Bad request", 400, "malicious_extraneous", "host", WARNING),
        }
    }

    fn handshake_answer(&self) -> Answer {
        let row = |message, status, rule| Answer {
            code: "protocol_error",
            message,
            status,
            closed_by: ClosedBy::Code(1002),
            event: "ws_protocol_violation",
            rule,
            severity: WARNING,
            strike: true,
        };
        match self {
            Self::TransportUnknown => row("Transport unknown", 400, "transport"),
            Self::SessionUnknown(_) => row("Session ID unknown", 400, "session_unknown"),
            Self::Polling(_) => row("Bad request", 400, "polling"),
            Self::HandshakeMethod => row("Bad handshake method", 400, "handshake_method"),
            Self::EngineVersion => row("Unsupported protocol version", 400, "engine_version"),
            Self::PollingOff => Answer {
                severity: INFO,
                strike: false,
                ..row(
                    "Long-polling is not offered here: connect with transports: [\"websocket\"]",
                    400,
                    "polling_off",
                )
            },
            Self::UpgradeVersion => row("WebSocket version 13 is required", 426, "upgrade_version"),
            Self::UpgradeMalformed => row("Bad request", 400, "upgrade"),
            _ => row("Bad request", 400, "parameters"),
        }
    }

    fn protocol_answer(&self) -> Answer {
        let row = |code, message, status, close, rule| Answer {
            code,
            message,
            status,
            closed_by: ClosedBy::Code(close),
            event: "ws_protocol_violation",
            rule,
            severity: WARNING,
            strike: true,
        };
        let violation = |rule| row("protocol_error", "Protocol error", 400, 1002, rule);
        match self {
            Self::Frame(_) => violation("frame"),
            Self::Utf8 => row("protocol_error", "Invalid UTF-8", 400, 1007, "utf8"),
            Self::Fragments => row("protocol_error", "Too many fragments", 400, 1008, "fragments"),
            Self::AssemblyTimeout => {
                row("handshake_timeout", "Message took too long", 408, 4408, "assembly_timeout")
            }
            Self::BinaryRefused => {
                row("protocol_error", "Binary data is not accepted", 400, 1003, "binary")
            }
            Self::ControlFlood => {
                row("rate_limited", "Too many control frames", 429, 1008, "control_rate")
            }
            Self::PreAuthBudget => {
                row("too_large", "Too much data before CONNECT", 413, 1009, "pre_auth_budget")
            }
            Self::ConnectTimeout => {
                row("handshake_timeout", "No CONNECT in time", 408, 4408, "connect_timeout")
            }
            Self::PingTimeout => Answer {
                severity: INFO,
                strike: false,
                event: "ws_disconnected",
                ..row("handshake_timeout", "Ping timeout", 408, 4408, "ping_timeout")
            },
            Self::Sequence(_) => Answer { event: "sequence_fail", ..violation("sequence") },
            Self::NamespaceUnknown => Answer {
                closed_by: ClosedBy::Nothing,
                event: "malicious_extraneous",
                ..row("forbidden", "Invalid namespace", 400, 1008, "namespace")
            },
            Self::SlowConsumer => Answer {
                event: "ws_disconnected",
                ..row("server_busy", "Reading too slowly", 503, 1013, "slow_consumer")
            },
            _ => violation("packet"),
        }
    }

    fn message_answer(&self) -> Answer {
        let row = answered;
        let invalid = "input_validation_fail";
        match self {
            Self::EventUnknown => {
                row("UNKNOWN_EVENT", "Unknown event", 400, "malicious_extraneous", "event")
            }
            Self::PayloadTooLarge => row("too_large", "Payload too large", 413, invalid, "payload"),
            Self::Json(_) => row("INVALID_MESSAGE", "Invalid message", 400, invalid, "json"),
            Self::Forbidden(_) => Answer {
                severity: CRITICAL,
                ..row("forbidden", "Forbidden", 403, "authz_fail", "access")
            },
            Self::Replay(_) => row("REPLAY", "Message replayed", 409, "sequence_fail", "replay"),
            Self::MidConflict => row(
                "IDEMPOTENCY_CONFLICT",
                "The same mid was used for another message",
                409,
                "sequence_fail",
                "mid",
            ),
            Self::Spam(_) => {
                row("SPAM_DETECTED", "Message refused as spam", 400, "spam_detected", "spam")
            }
            _ => self.account_answer(),
        }
    }

    /// Accounts, rooms, and what is left: a payload that is not what its rule declares.
    fn account_answer(&self) -> Answer {
        let row = answered;
        let invalid = "input_validation_fail";
        match self {
            Self::NameTaken => {
                Answer { strike: false, ..row("name_taken", "Name is taken", 409, invalid, "name") }
            }
            Self::PasswordWeak => Answer {
                strike: false,
                ..row(
                    "weak_password",
                    "Use 8 to 128 characters that are not a well-known password",
                    400,
                    invalid,
                    "password",
                )
            },
            Self::RegistrationClosed => {
                row("forbidden", "Forbidden", 403, "authz_fail", "registration")
            }
            Self::RoomLimit(_) => Answer {
                strike: false,
                ..row("limit_reached", "Limit reached", 409, invalid, "room_limit")
            },
            _ => row("INVALID_MESSAGE", "Invalid message", 400, invalid, "schema"),
        }
    }

    fn own_answer(&self) -> Answer {
        let row = |code, message, status, close, event, rule| Answer {
            code,
            message,
            status,
            closed_by: close,
            event,
            rule,
            severity: CRITICAL,
            strike: false,
        };
        let goes_on = ClosedBy::Nothing;
        match self {
            Self::Strikes => {
                let close = ClosedBy::Code(4429);
                let event = "excess_rate_limit_exceeded";
                row("rate_limited", "Too many violations", 429, close, event, "strikes")
            }
            Self::HandlerTimeout => {
                row("INTERNAL", "Internal error", 500, goes_on, "sys_crash", "handler_timeout")
            }
            Self::Overloaded => Answer {
                severity: WARNING,
                ..row("server_busy", "Server busy", 503, goes_on, "sys_overload", "overloaded")
            },
            _ => row("INTERNAL", "Internal error", 500, goes_on, "sys_crash", "internal"),
        }
    }
}

/// The row of a refusal that answers a message and lets the connection go on.
pub(crate) fn answered(
    code: &'static str,
    message: &'static str,
    status: u16,
    event: &'static str,
    rule: &'static str,
) -> Answer {
    let closed_by = ClosedBy::Nothing;
    Answer { code, message, status, closed_by, event, rule, severity: WARNING, strike: true }
}
