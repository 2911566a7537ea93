//! Every way a peer can be refused, one variant per misbehaviour.
//! Never: a text that tells the peer more than it may know.

use std::fmt;

use crate::answer::{Answer, ClosedBy, Retry};
use crate::app_denial::AppDenial;
use crate::limit::Limit;
use crate::member_name::MemberName;
use crate::weak_password::WeakPassword;

/// Sent where a limit cannot compute when the request may succeed.
const UNKNOWN_WAIT_MS: u64 = 30_000;

/// Why a token was not believed. The peer never learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// No credential where one is needed.
    Missing,
    /// A cookie alone never opens a socket.
    CookieOnly,
    /// Not a string, too long, wrong number of parts, wrong alphabet, not canonical.
    Shape,
    /// Header is no plain `alg`, `typ`, `kid`, or carries a key, `crit` or compression.
    Header,
    /// The type in the header says it is another kind of token.
    Type,
    /// An id-token, of an issuer that gives access tokens.
    IdToken,
    /// A token for a log-out, a refresh, or another single purpose, or not of the type asked for.
    OtherToken,
    /// It lacks a scope that its issuer's tokens have to list.
    Scope,
    /// It carries `authorization_details` (RFC 9396), which nothing here understands.
    Details,
    /// Algorithm is not the one the key is for.
    Algorithm,
    /// No such key or issuer.
    Key,
    /// The signature does not match.
    Signature,
    /// A claim is missing, doubled, of the wrong type, or not ours.
    Claims,
    /// Past its end.
    Expired,
    /// Not valid yet, or issued in the future.
    NotYet,
    /// Lives longer than any token may.
    Lifetime,
    /// The user does not exist any more or is disabled.
    User,
    /// Issued before the user's tokens were revoked or replaced, or revoked itself.
    Revoked,
    /// Its session is over, or never was.
    Session,
    /// This server's own token, from a time that has not come: some clock here is wrong.
    Clock,
    /// A ticket nobody was given, that is too old, or is shown by another page.
    Ticket,
    /// A one-time credential that was used before.
    Used,
    /// Bound to a key of its client, and shown without proof of that key.
    Bound,
    /// The proof of the client's key is not one, or is another's or an old one (RFC 9449).
    Proof,
}

/// What a hard-pressed server does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shed {
    /// A connection of somebody nobody knows.
    Stranger,
    /// One more connection of those who have been here before, just now.
    Known,
    /// A page or request of somebody nobody knows.
    Request,
    /// A log-in from an unknown device.
    Login,
}

/// A refusal. The variants are grouped by the step of the journey that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    // HTTP, before anything is known of the peer.
    /// The head is no HTTP/1.1 request, or uses framing that intermediaries read differently.
    RequestMalformed,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The head arrives more slowly than a peer may deliver.
    HeadSlow,
    /// More head bytes or header lines than allowed.
    HeadTooLarge,
    /// The request target is too long.
    TargetTooLong,
    /// The request body did not arrive in time.
    BodyTimeout,
    /// The request body arrives more slowly than a peer may deliver.
    BodySlow,
    /// The request body, or a frame or message, is larger than allowed.
    TooLarge,
    /// A body with an encoding or media type that no route takes.
    MediaType,
    /// No such page.
    NotFound,
    /// The page is there, the method is not.
    MethodNotAllowed,
    /// TLS did not complete, or not in time.
    TlsFailed,
    /// The peer's part of the TLS handshake arrives more slowly than it may deliver.
    TlsSlow,
    /// A proxy of the operator's that does not say whose connection it hands on, or not in time.
    ProxyHeader,
    /// Asked for in plain text where pages are led on to TLS, and nothing else is answered.
    PlainText,

    // Admission.
    /// `Host` missing, doubled, or not one of ours.
    Host,
    /// No `Origin` where one is required.
    OriginMissing,
    /// An `Origin` that is not on the list.
    OriginForbidden,
    /// A request that the browser says another site's page has caused.
    CrossSite,
    /// More, or more often, than the operator lets anybody: connections, requests, log-ins, events,
    /// bytes.
    Limit {
        /// Which limit.
        limit: Limit,
        /// Until the next one passes; 0 where nobody can say.
        retry_after_ms: u64,
    },
    /// The server holds all the connections it may, or a queue is full.
    Busy,
    /// The server is hard-pressed, and this is what it does without.
    Shed(Shed),
    /// The server is shutting down.
    Draining,
    /// A credential stands in the URL.
    TokenInUrl,
    /// Two credentials that differ, or two of one header.
    TwoCredentials,
    /// Engine.IO: no such transport.
    TransportUnknown,
    /// Engine.IO: no session with this id, or not for this peer; the peer cannot tell.
    SessionUnknown(&'static str),
    /// Engine.IO: a request that does not fit its session; the word says how.
    Polling(&'static str),
    /// Engine.IO: a handshake with another method than GET.
    HandshakeMethod,
    /// Engine.IO: a parameter of the protocol is malformed, or there are too many; the word says
    /// which.
    Parameters(&'static str),
    /// Engine.IO: another protocol version than 4.
    EngineVersion,
    /// Long-polling is not offered.
    PollingOff,
    /// An upgrade to WebSocket that RFC 6455 section 4.2.1 does not allow.
    UpgradeMalformed,
    /// An upgrade to another WebSocket version than 13.
    UpgradeVersion,

    // Frames and packets.
    /// A frame breaks RFC 6455; the word says how.
    Frame(&'static str),
    /// Text that is not UTF-8.
    Utf8,
    /// A message in more frames than allowed.
    Fragments,
    /// A message whose frames took too long.
    AssemblyTimeout,
    /// A message kind this endpoint does not take.
    BinaryRefused,
    /// More pings, pongs or other control traffic than allowed.
    ControlFlood,
    /// A packet breaks Engine.IO, Socket.IO or the plain form; the word says how.
    Packet(&'static str),
    /// More bytes before CONNECT than allowed.
    PreAuthBudget,
    /// No CONNECT in time.
    ConnectTimeout,
    /// No pong in time.
    PingTimeout,
    /// An event before CONNECT, a second CONNECT, or an event for a namespace not joined.
    Sequence(&'static str),
    /// No such namespace.
    NamespaceUnknown,
    /// Outbox over its limit, or a write stalled.
    SlowConsumer,

    // Who.
    /// A token or ticket is not believed.
    Token(TokenFault),
    /// A token that was to prolong an open connection is not believed; the connection goes on.
    Renewal(TokenFault),
    /// A token of another user that was to renew an open connection.
    ForeignToken,
    /// The session behind an open connection has ended; the word says how.
    SessionEnded(&'static str),
    /// Nobody could confirm for too long that what is known of users still holds.
    AuthorityUnconfirmed,
    /// The proof of the client's key needs a nonce of this server first (RFC 9449 section 8).
    NonceNeeded,
    /// The password is right, and the account asks for a one-time code as well.
    TotpRequired,
    /// The act needs a log-in that is not long ago.
    ReauthRequired,
    /// The user has to show a second factor first: `role` for what the user's role allows, `setup`
    /// and `issuer` for everything, of an own account and of another issuer's user.
    SecondFactor(&'static str),
    /// A token on a socket, where only one-time tickets open one.
    TicketNeeded,
    /// A token without the proof of a key, where every token needs one.
    ProofNeeded,
    /// Wrong user name or password, in whatever combination; the peer never learns which.
    Login {
        /// For the operator: `unknown_user`, `wrong_password` or `disabled`.
        reason: &'static str,
        /// The name that was tried, when it could be one at all; for the operator.
        username: Option<String>,
    },
    /// The user has as many connections as allowed.
    UserConnections,
    /// As before, but one of them did not answer just now: it may have lost its network, and is
    /// evicted once it has been silent for five seconds.
    UserConnectionsUnheard,
    /// The user or address holds as much of a table as its share allows; the word names the table.
    ShareFull(&'static str),

    // What.
    /// An event no rule declares, or a reserved name.
    EventUnknown,
    /// The payload is too large for the event.
    PayloadTooLarge,
    /// JSON that is malformed or over a structural limit; the word says which.
    Json(&'static str),
    /// A payload that is not what the event's rule declares.
    Schema {
        /// The field at fault, if it is one the rule declares.
        field: Option<&'static str>,
        /// For the operator.
        rule: &'static str,
    },
    /// A login link that admits nobody. Only a client that shows a link which this server made for
    /// the user learns that it was used or has expired; the word says which.
    LoginLink(&'static str),
    /// A muted user sends what other users would read.
    Muted {
        /// When the mute ends, in milliseconds since 1970; none when it has no end.
        until_unix_ms: Option<i64>,
        /// How long that is from now, in milliseconds.
        retry_after_ms: u64,
    },
    /// Not allowed, or not there: the peer cannot tell.
    Forbidden(&'static str),
    /// A message number that was there before, or is lower than one that was.
    Replay(&'static str),
    /// The same idempotency key with another content.
    MidConflict,
    /// A payload with a member that the event's rule does not declare.
    UnknownMember(MemberName),
    /// Text that reads as spam; the word says which rule.
    Spam(&'static str),
    /// Text with markup that would run as a script.
    Malicious,
    /// A name that is taken.
    NameTaken,
    /// A new password that is rejected.
    PasswordWeak(WeakPassword),
    /// Registration is closed, or the one-time link is used up.
    RegistrationClosed,
    /// More rooms, members or subscriptions than allowed.
    RoomLimit(&'static str),

    // The application.
    /// A handler rejects the request for a reason of the application's own: [`Denial::app`].
    App(AppDenial),

    // Us.
    /// The handler took too long.
    HandlerTimeout,
    /// The store did not begin the change in time: nothing was changed; the connection goes on.
    Overloaded,
    /// The deadline passed while the change was being stored: it may or may not be in force. A
    /// retry with the same `mid` is safe.
    OutcomeUnknown,
    /// The store's disk is full: nothing was changed; the connection goes on.
    StorageFull,
    /// The store's disk fails or its file is damaged; the connection goes on.
    StorageFailed,
    /// Something on our side failed; the cause is in the operational log.
    Internal(&'static str),
    /// Too many strikes.
    Strikes,
}

impl Denial {
    /// Everything there is to say about this denial.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let row = self.row();
        match self {
            // The renewal is rejected, the connection keeps the token that it has.
            Self::Renewal(_) => Answer { closed_by: ClosedBy::Nothing, ..row },
            _ => row,
        }
    }

    /// When the same request may succeed, in milliseconds; the client gets a rounded value.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match (self.row().retry, self) {
            (Retry::Never, _) => None,
            (Retry::AfterMs(wait_ms), _) => Some(wait_ms),
            (Retry::Given, Self::Limit { retry_after_ms, .. }) if *retry_after_ms > 0 => {
                Some(*retry_after_ms)
            }
            (Retry::Given, Self::Muted { until_unix_ms, retry_after_ms }) => {
                until_unix_ms.map(|_| *retry_after_ms)
            }
            (Retry::Given, _) => Some(UNKNOWN_WAIT_MS),
        }
    }

    /// Which of the operator's limits it was.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::Limit { limit, .. } => Some(*limit),
            _ => None,
        }
    }

    /// The field a schema refusal is about.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Schema { field, .. } => *field,
            Self::LoginLink(_) => Some("door"),
            Self::UnknownMember(name) => Some(name.as_str()),
            _ => None,
        }
    }

    /// The user name a refused log-in tried, for the security record only.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Login { username, .. } => username.as_deref(),
            _ => None,
        }
    }

    /// `unknown` when the rejected request may have had its effect all the same.
    #[must_use]
    pub fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::OutcomeUnknown | Self::HandlerTimeout => Some("unknown"),
            _ => None,
        }
    }

    /// The reason in one word, for the security record only.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Frame(word)
            | Self::Packet(word)
            | Self::Sequence(word)
            | Self::Json(word)
            | Self::Forbidden(word)
            | Self::Replay(word)
            | Self::Spam(word)
            | Self::LoginLink(word)
            | Self::SecondFactor(word)
            | Self::RoomLimit(word)
            | Self::ShareFull(word)
            | Self::SessionUnknown(word)
            | Self::Polling(word)
            | Self::Parameters(word)
            | Self::SessionEnded(word)
            | Self::Internal(word) => word,
            Self::PasswordWeak(why) => why.name(),
            Self::Login { reason, .. } => reason,
            Self::Schema { rule, .. } => rule,
            Self::App(app) => app.code(),
            _ => self.row().reason,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.answer();
        write!(formatter, "{} ({})", answer.rule, self.reason())
    }
}

impl std::error::Error for Denial {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Severity, Violation};
    use crate::code::Code;

    #[test]
    fn rejected_tokens_read_the_same_whatever_the_fault() {
        let missing = Denial::Token(TokenFault::Missing).answer();
        let rows = (0..=u8::MAX).filter_map(Answer::of_number);
        let tokens: Vec<_> = rows.filter(|row| row.rule == "token").collect();
        assert_eq!(tokens.len(), 24);
        assert!(tokens.iter().all(|row| row.reads_as(&missing)), "{tokens:?}");
        assert_eq!(Denial::Forbidden("missing").answer(), Denial::Forbidden("not_owner").answer());
    }

    #[test]
    fn denial_that_an_honest_client_meets_is_no_violation() {
        let tokens = [
            TokenFault::Missing,
            TokenFault::Key,
            TokenFault::Expired,
            TokenFault::NotYet,
            TokenFault::User,
            TokenFault::Revoked,
            TokenFault::Session,
            TokenFault::Clock,
            TokenFault::Ticket,
            TokenFault::Used,
            TokenFault::IdToken,
            TokenFault::OtherToken,
            TokenFault::Scope,
            TokenFault::Details,
        ];
        let limits = Limit::ALL.map(|limit| Denial::Limit { limit, retry_after_ms: 1 });
        let others = [
            Denial::NonceNeeded,
            Denial::TotpRequired,
            Denial::ReauthRequired,
            Denial::SecondFactor("role"),
            Denial::SecondFactor("setup"),
            Denial::SecondFactor("issuer"),
            Denial::TicketNeeded,
            Denial::ProofNeeded,
            Denial::SessionUnknown("prefix"),
            Denial::Polling("session_ended"),
            Denial::SessionEnded("expired"),
            Denial::ConnectTimeout,
            Denial::PingTimeout,
            Denial::SlowConsumer,
            Denial::UserConnections,
            Denial::Busy,
            Denial::Draining,
            Denial::TooLarge,
            Denial::PayloadTooLarge,
            Denial::Json("depth"),
            Denial::Json("surrogate"),
            Denial::Schema { field: None, rule: "x" },
            Denial::Spam("links"),
            Denial::MidConflict,
            Denial::NameTaken,
            Denial::RoomLimit("rooms"),
            Denial::Forbidden("ended"),
        ];
        let tokens = tokens.map(Denial::Token);
        for denial in tokens.into_iter().chain(limits).chain(others) {
            assert_eq!(denial.answer().violation, Violation::No, "{denial:?}");
        }
    }

    #[test]
    fn denial_of_a_forged_or_malformed_request_is_a_violation() {
        let tokens = [TokenFault::Shape, TokenFault::Algorithm, TokenFault::Signature];
        let others = [
            Denial::RequestMalformed,
            Denial::Host,
            Denial::Frame("reserved"),
            Denial::Packet("type"),
            Denial::SessionUnknown("unknown"),
            Denial::EventUnknown,
            Denial::Json("grammar"),
            Denial::Forbidden("not_owner"),
            Denial::Replay("seq_repeated"),
            Denial::ForeignToken,
            Denial::Login { reason: "wrong_password", username: None },
        ];
        for denial in tokens.map(Denial::Token).into_iter().chain(others) {
            assert_eq!(denial.answer().violation, Violation::Counts, "{denial:?}");
        }
    }

    #[test]
    fn rows_of_one_rule_read_the_same_whether_they_count_or_not() {
        let pairs = [
            (Denial::SessionUnknown("prefix"), Denial::SessionUnknown("unknown")),
            (Denial::Polling("session_ended"), Denial::Polling("poll_overlap")),
            (Denial::Json("depth"), Denial::Json("grammar")),
            (Denial::Forbidden("ended"), Denial::Forbidden("not_member")),
        ];
        for (one, other) in pairs {
            assert!(one.answer().reads_as(&other.answer()), "{one:?}");
            assert_eq!(one.answer().rule, other.answer().rule, "{one:?}");
        }
    }

    #[test]
    fn renewal_with_a_rejected_token_leaves_the_connection_open() {
        assert_eq!(Denial::Renewal(TokenFault::Key).answer().closed_by, ClosedBy::Nothing);
        assert_eq!(Denial::Token(TokenFault::Key).answer().closed_by, ClosedBy::Code(4401));
    }

    #[test]
    fn limit_rows_carry_the_name_of_their_limit() {
        for limit in Limit::ALL {
            let denial = Denial::Limit { limit, retry_after_ms: 0 };
            assert_eq!(denial.answer().rule, limit.name());
            assert_eq!(denial.retry_after_ms(), Some(UNKNOWN_WAIT_MS));
        }
    }

    #[test]
    fn rows_are_found_by_the_number_that_references_carry() {
        let limit = Denial::Limit { limit: Limit::HttpTotal, retry_after_ms: 7 };
        for denial in
            [Denial::RequestMalformed, Denial::Login { reason: "x", username: None }, limit]
        {
            assert_eq!(Answer::of_number(denial.answer().number), Some(denial.answer()));
        }
        assert_eq!(Answer::of_number(0), None, "0 stands for no row");
    }

    #[test]
    fn requests_of_clients_are_never_critical() {
        let own = [Code::SysCrash, Code::AuthorityUnconfirmed, Code::ClockSkew];
        for row in (0..=u8::MAX).filter_map(Answer::of_number) {
            let critical = row.severity == Severity::Critical;
            assert_eq!(critical, own.contains(&row.event), "{row:?}");
        }
    }

    #[test]
    fn denial_of_a_mute_or_a_login_link_says_its_cause() {
        let until = |until_unix_ms| Denial::Muted { until_unix_ms, retry_after_ms: 7_000 };
        assert_eq!(until(Some(9)).retry_after_ms(), Some(7_000));
        assert_eq!(until(None).retry_after_ms(), None, "it has no end");
        let texts = ["used", "expired", "invalid"].map(|word| {
            let answer = Denial::LoginLink(word).answer();
            assert_eq!((answer.code, answer.violation), ("INVALID_MESSAGE", Violation::No));
            answer.message
        });
        assert!(texts[0].contains("used") && texts[1].contains("expired"), "{texts:?}");
        assert!(texts[2].contains("not valid"), "{texts:?}");
    }

    #[test]
    fn only_a_change_that_may_be_in_force_has_an_unknown_outcome() {
        assert_eq!(Denial::OutcomeUnknown.outcome(), Some("unknown"));
        assert_eq!(Denial::HandlerTimeout.outcome(), Some("unknown"));
        for denial in [Denial::Overloaded, Denial::StorageFull, Denial::StorageFailed] {
            assert_eq!(denial.outcome(), None, "{denial:?}");
        }
        assert_eq!(Denial::StorageFull.retry_after_ms(), Some(30_000));
    }

    #[test]
    fn codes_of_the_contract() {
        let limit = |limit| Denial::Limit { limit, retry_after_ms: 1 };
        let cases = [
            (limit(Limit::MessagePerUser), "RATE_LIMIT_EXCEEDED", 429),
            (limit(Limit::ConnectPerPrefix), "rate_limited", 429),
            (limit(Limit::LoginPerUser), "rate_limited", 429),
            (limit(Limit::PreAuthTotal), "server_busy", 503),
            (Denial::Schema { field: None, rule: "x" }, "INVALID_MESSAGE", 400),
            (Denial::Forbidden("x"), "forbidden", 403),
            (Denial::TooLarge, "too_large", 413),
            (Denial::Overloaded, "server_busy", 503),
            (Denial::OutcomeUnknown, "server_busy", 503),
            (Denial::HandlerTimeout, "server_busy", 503),
            (Denial::StorageFull, "storage_full", 503),
            (Denial::StorageFailed, "storage_failed", 503),
            (Denial::Busy, "server_busy", 503),
            (Denial::SessionEnded("expired"), "session_ended", 401),
            (Denial::Token(TokenFault::Missing), "unauthorized", 401),
        ];
        for (denial, code, status) in cases {
            let answer = denial.answer();
            assert_eq!((answer.code, answer.status), (code, status), "{denial:?}");
        }
    }
}
