//! `Denial`: every way in which a request is rejected, one variant per cause.
//! Never: a text that tells the client more than it may know.

use std::fmt;

use super::answer::{Answer, ClosedBy, Retry};
use super::app::AppDenial;
use super::shed_kind::ShedKind;
use super::token_fault::TokenFault;
use super::weak_password::WeakPassword;
use crate::limit::Limit;
use crate::names::MemberName;

/// Sent if a limit cannot compute when the request may succeed.
pub(super) const UNKNOWN_WAIT_MS: u64 = 30_000;

/// A rejected request. The variants are grouped by the step that rejects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    // HTTP, before the peer is known.
    /// The head is not an HTTP/1.1 request, or uses framing that intermediaries read differently.
    RequestMalformed,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The head arrives below the minimum receive rate.
    HeadSlow,
    /// More head bytes or header lines than allowed.
    HeadTooLarge,
    /// The request target is too long.
    TargetTooLong,
    /// The request body did not arrive in time.
    BodyTimeout,
    /// The request body arrives below the minimum receive rate.
    BodySlow,
    /// The request body, or a frame or message, is larger than allowed.
    TooLarge,
    /// A body with an encoding or media type that no route takes.
    MediaType,
    /// The page does not exist.
    NotFound,
    /// A page of the dashboard that does not exist for this client; the word is the key of the
    /// configuration that hides it.
    HiddenPath(&'static str),
    /// The page exists, but does not support the method.
    MethodNotAllowed,
    /// TLS did not complete, or not in time.
    TlsFailed,
    /// The peer's part of the TLS handshake arrives below the minimum receive rate.
    TlsSlow,
    /// A proxy of the operator does not report the client address, or not in time.
    ProxyHeader,
    /// A plain-text request that is not for a page, on the listener that redirects to TLS.
    PlainText,

    // Admission.
    /// `Host` is missing, repeated, or not a name of this server.
    Host,
    /// A required `Origin` is missing.
    OriginMissing,
    /// The `Origin` is not on the list.
    OriginForbidden,
    /// A request that a page of another site has caused, according to the browser.
    CrossSite,
    /// A limit of the operator is reached: connections, requests, logins, events or bytes.
    Limit {
        /// Which limit.
        limit: Limit,
        /// Time until the next request passes; 0 if it is unknown.
        retry_after_ms: u64,
    },
    /// An administrator has blocked the network of the client.
    NetworkBlocked,
    /// The server has as many connections as allowed, or a queue is full.
    Busy,
    /// The server is overloaded and rejects this kind of request.
    Shed(ShedKind),
    /// The server is shutting down.
    Draining,
    /// The URL contains a credential.
    TokenInUrl,
    /// Two credentials that differ, or two of one header.
    TwoCredentials,
    /// Engine.IO: the transport is unknown.
    TransportUnknown,
    /// Engine.IO: the session is unknown, or of another peer; the peer cannot distinguish them.
    SessionUnknown(&'static str),
    /// Engine.IO: the request does not fit its session; the word is the reason.
    Polling(&'static str),
    /// Engine.IO: a handshake with a method other than GET.
    HandshakeMethod,
    /// Engine.IO: a parameter of the protocol is malformed, or there are too many; the word is the
    /// reason.
    Parameters(&'static str),
    /// Engine.IO: the protocol version is not 4.
    EngineVersion,
    /// Long-polling is not offered.
    PollingOff,
    /// An upgrade to WebSocket that RFC 6455 section 4.2.1 does not allow.
    UpgradeMalformed,
    /// An upgrade to a WebSocket version other than 13.
    UpgradeVersion,

    // Frames and packets.
    /// A frame violates RFC 6455; the word is the reason.
    Frame(&'static str),
    /// Text that is not UTF-8.
    Utf8,
    /// A message in more frames than allowed.
    Fragments,
    /// A message whose frames took too long.
    AssemblyTimeout,
    /// A kind of message that this endpoint does not accept.
    BinaryRefused,
    /// More pings, pongs or other control traffic than allowed.
    ControlFlood,
    /// A packet violates Engine.IO, Socket.IO or the plain form; the word is the reason.
    Packet(&'static str),
    /// More bytes before CONNECT than allowed.
    PreAuthBudget,
    /// No CONNECT in time.
    ConnectTimeout,
    /// No pong in time.
    PingTimeout,
    /// An event before CONNECT, a second CONNECT, or an event for a namespace not joined.
    Sequence(&'static str),
    /// The namespace does not exist.
    NamespaceUnknown,
    /// As [`Denial::HiddenPath`], for a namespace.
    HiddenNamespace(&'static str),
    /// A slow consumer: the outbox is over its limit, or a write stalled.
    SlowConsumer,

    // Authentication.
    /// A token or ticket is rejected.
    Token(TokenFault),
    /// A token for the renewal of an open connection is rejected; the connection goes on.
    Renewal(TokenFault),
    /// A token for the renewal of an open connection belongs to another user.
    ForeignToken,
    /// The session of an open connection has ended; the word is the reason.
    SessionEnded(&'static str),
    /// The store has not confirmed sessions and users for too long.
    AuthorityUnconfirmed,
    /// The keys of an issuer could not be fetched, so its tokens cannot be verified.
    IssuerKeysMissing {
        /// Time until the next fetch.
        retry_after_ms: u64,
    },
    /// The proof of the client's key needs a nonce of this server (RFC 9449 section 8).
    NonceNeeded,
    /// The password is right, and the account also requires a one-time code.
    TotpRequired,
    /// The operation requires a recent login.
    ReauthRequired,
    /// A second factor is required: `role` for operations of the user's role, `setup` for every
    /// operation of an account, `issuer` for every operation of another issuer's user.
    SecondFactor(&'static str),
    /// A token was sent where only one-time tickets open a socket.
    TicketNeeded,
    /// A token was sent without the required proof of a key.
    ProofNeeded,
    /// Wrong user name or password; the peer never learns which.
    Login {
        /// For the operator: `unknown_user`, `wrong_password` or `disabled`.
        reason: &'static str,
        /// The user name of the attempt, if it has the grammar of one; for the operator.
        username: Option<String>,
    },
    /// The user has as many connections as allowed.
    UserConnections,
    /// As before, but one of them did not answer in time: it may have lost its network, and is
    /// evicted after five seconds without a message.
    UserConnectionsUnheard,
    /// The user or address holds as much of a table as its share allows; the word names the table.
    ShareFull(&'static str),

    // Authorization and content.
    /// An undeclared event, or a reserved name.
    EventUnknown,
    /// The payload is too large for the event.
    PayloadTooLarge,
    /// JSON that is malformed or over a structural limit; the word is the reason.
    Json(&'static str),
    /// A payload that violates the event's rule.
    Schema {
        /// The field at fault, if it is one the rule declares.
        field: Option<&'static str>,
        /// For the operator.
        rule: &'static str,
    },
    /// An invalid login link. Only the holder of a link that this server made learns that it was
    /// used or has expired; the word is the reason.
    LoginLink(&'static str),
    /// A muted user sends a message.
    Muted {
        /// When the mute ends, in milliseconds since 1970; `None` if it has no end.
        until_unix_ms: Option<i64>,
        /// How long that is from now, in milliseconds.
        retry_after_ms: u64,
    },
    /// Not allowed, or it does not exist; the peer cannot distinguish them.
    Forbidden(&'static str),
    /// A message number that is repeated, or lower than an earlier one.
    Replay(&'static str),
    /// The same idempotency key with another content.
    MidConflict,
    /// The first message with this idempotency key is still being handled.
    MidPending,
    /// A payload with a member that the event's rule does not declare.
    UnknownMember(MemberName),
    /// Text that is rejected as spam; the word is the rule.
    Spam(&'static str),
    /// Text with markup that would run as a script.
    Malicious,
    /// A name that is taken.
    NameTaken,
    /// A new password that is rejected.
    PasswordWeak(WeakPassword),
    /// Registration is closed, or the invitation or set-up link is missing or not valid.
    Registration(&'static str),
    /// More rooms, members or subscriptions than allowed.
    RoomLimit(&'static str),

    // The application.
    /// A handler rejects the request for a reason of the application: [`Denial::app`].
    App(AppDenial),

    // Faults of the server.
    /// The handler took too long.
    HandlerTimeout,
    /// The store did not start the change in time. Nothing changed; the connection goes on.
    Overloaded,
    /// The deadline passed while the change was being stored: it may or may not be in force. A
    /// retry with the same `mid` is safe.
    OutcomeUnknown,
    /// The store's disk is full. Nothing changed; the connection goes on.
    StorageFull,
    /// The store's disk fails or its file is damaged; the connection goes on.
    StorageFailed,
    /// A part of the server failed; the operational log has the cause.
    Internal(&'static str),
    /// Too many violations.
    Strikes,
}

impl Denial {
    /// Rejects a request for a reason of the application.
    ///
    /// The client reads `code` and `message` in the same shape as for every other rejection. It is
    /// an answer, not a violation: the connection goes on. It is recorded as `app_rejected` with
    /// severity info. All codes share one series of the metric `refusals` (`rule="app"`).
    ///
    /// `code` is 1 to 64 of `a-z 0-9 _` or of `A-Z 0-9 _`, begins with a letter, and is not a code
    /// of the protocol in either case. No code of the protocol ever begins with `app_`.
    ///
    /// `message` is plain text of one line. Control, bidirectional and invisible characters are
    /// written as `\u{…}`, and it is cut at 200 characters. Clients show it as text, not as HTML.
    ///
    /// A code outside this grammar is a fault of the application. The result is then
    /// [`Denial::Internal`]: the client reads `INTERNAL`, and the record names the fault as
    /// `app_code_malformed` or `app_code_reserved`.
    ///
    /// ```
    /// use portcullis_model::Denial;
    ///
    /// let sold_out = Denial::app("sold_out", "There are no tickets left");
    /// assert_eq!(sold_out.client_code(), "sold_out");
    /// assert_eq!(Denial::app("forbidden", "No"), Denial::Internal("app_code_reserved"));
    /// ```
    #[must_use]
    pub fn app(code: &'static str, message: impl AsRef<str>) -> Self {
        match AppDenial::new(code, message.as_ref()) {
            Ok(app) => Self::App(app),
            Err(fault) => Self::Internal(fault),
        }
    }

    /// The code that a client reads.
    #[must_use]
    pub fn client_code(&self) -> &'static str {
        self.as_app().map_or_else(|| self.answer().code, AppDenial::code)
    }

    /// The rejection by the application, if it is one.
    #[must_use]
    pub fn as_app(&self) -> Option<&AppDenial> {
        match self {
            Self::App(app) => Some(app),
            _ => None,
        }
    }

    /// The row of this denial.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let row = self.row();
        match self {
            // The renewal is rejected, the connection keeps the token that it has.
            Self::Renewal(_) => Answer { closed_by: ClosedBy::Nothing, ..row },
            _ => row,
        }
    }

    /// Time until the same request may succeed, in milliseconds; the client gets a rounded value.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match (self.row().retry, self) {
            (Retry::Never, _) => None,
            (Retry::AfterMs(wait_ms), _) => Some(wait_ms),
            (Retry::Given, Self::IssuerKeysMissing { retry_after_ms }) => Some(*retry_after_ms),
            (Retry::Given, Self::Limit { retry_after_ms, .. }) if *retry_after_ms > 0 => {
                Some(*retry_after_ms)
            }
            (Retry::Given, Self::Muted { until_unix_ms, retry_after_ms }) => {
                until_unix_ms.map(|_| *retry_after_ms)
            }
            (Retry::Given, _) => Some(UNKNOWN_WAIT_MS),
        }
    }

    /// The limit of the operator that was reached.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::Limit { limit, .. } => Some(*limit),
            _ => None,
        }
    }

    /// The field of a schema violation.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Schema { field, .. } => *field,
            Self::LoginLink(_) => Some("door"),
            Self::UnknownMember(name) => Some(name.as_str()),
            _ => None,
        }
    }

    /// The user name of a rejected login, only for the security record.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Login { username, .. } => username.as_deref(),
            _ => None,
        }
    }

    /// `unknown` if the rejected request may have had its effect.
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
            | Self::Registration(word)
            | Self::SecondFactor(word)
            | Self::RoomLimit(word)
            | Self::ShareFull(word)
            | Self::SessionUnknown(word)
            | Self::Polling(word)
            | Self::Parameters(word)
            | Self::SessionEnded(word)
            | Self::HiddenPath(word)
            | Self::HiddenNamespace(word)
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
