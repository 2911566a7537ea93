//! The rows of refusals about who somebody is: credentials, sessions, proofs.
//! Never: what tells a wrong name from a wrong password, or one refused token from another.

use crate::answer::{Answer, ClosedBy, Severity};
use crate::denial::{Denial, TokenFault};
use crate::denial_answer::answered;

const INFO: Severity = Severity::Info;
const WARNING: Severity = Severity::Warning;
const CRITICAL: Severity = Severity::Critical;

impl Denial {
    pub(crate) fn identity_answer(&self) -> Answer {
        let row = |code, message, status, close, event, rule| {
            let closed_by = ClosedBy::Code(close);
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
        let failed = "authn_login_fail";
        match self {
            Self::SessionEnded(word) => Answer {
                severity: INFO,
                strike: false,
                ..row("session_ended", "Session ended", 401, 4401, ended_event(word), "session")
            },
            Self::AuthorityUnconfirmed => {
                let event = "authority_unconfirmed";
                let answer = row("server_busy", "Server busy", 503, 1013, event, "authority");
                Answer { severity: CRITICAL, strike: false, ..answer }
            }
            Self::Login { .. } => {
                let message = "Wrong user name or password";
                row("unauthorized", message, 401, 4401, failed, "login")
            }
            Self::UserConnections => row(
                "connection_limit",
                "Too many connections",
                429,
                1008,
                "excess_sessions_exceeded",
                "connections_per_user",
            ),
            Self::NonceNeeded => {
                let message = "Sign the proof with the nonce of this answer";
                let severity = INFO;
                Answer { severity, ..row("use_dpop_nonce", message, 401, 4401, failed, "nonce") }
            }
            Self::TotpRequired => {
                let message = "A one-time code is needed";
                let severity = INFO;
                Answer { severity, ..row("totp_required", message, 401, 4401, failed, "totp") }
            }
            Self::ReauthRequired => Answer {
                severity: INFO,
                strike: false,
                ..answered("reauth_required", "Log in again first", 401, "authz_fail", "recent")
            },
            Self::Token(fault) => token_answer(*fault),
            Self::Renewal(fault) => Answer { closed_by: ClosedBy::Nothing, ..token_answer(*fault) },
            _ => row("unauthorized", "unauthorized", 401, 4401, failed, "token"),
        }
    }
}

/// Outside all refused tokens are one; inside, a second use is an alarm of its own.
fn token_answer(fault: TokenFault) -> Answer {
    let (event, severity) = match fault {
        TokenFault::Used => ("authn_token_reuse", CRITICAL),
        TokenFault::Clock => ("clock_skew", CRITICAL),
        TokenFault::Session | TokenFault::Revoked => ("session_use_after_expire", WARNING),
        _ => ("authn_login_fail", WARNING),
    };
    Answer {
        code: "unauthorized",
        message: "unauthorized",
        status: 401,
        closed_by: ClosedBy::Code(4401),
        event,
        rule: "token",
        severity,
        strike: true,
    }
}

/// What time ends is expiry; the rest was ended by somebody.
fn ended_event(word: &str) -> &'static str {
    match word {
        "expired" | "idle" | "absolute" => "session_expired",
        _ => "session_revoked",
    }
}
