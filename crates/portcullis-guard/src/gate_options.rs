//! The options of the gate, with their documented defaults.
//! Never: a value that is silently corrected.

use crate::admission::admission_token::AdmissionKey;
use crate::admission::names::dashboard::DashboardRules;
use crate::admission::names::origin::WithoutOrigin;
use crate::admission::polling_binding::PollingBinding;
use crate::admission::proxy::ProxyRules;
use crate::authentication::principal::SessionTimeouts;
use crate::authentication::second_factor::SecondFactorRule;
use crate::authorization::rules::{ReplayRules, RoleRules};
use crate::capacity::pools::CapacityOptions;
use crate::content::cleaner::Malicious;
use crate::content::markup::formatting::Markup;
use crate::content::spam::filter::SpamOptions;
use crate::disabled_guards::Danger;
use crate::load::state::LoadState;
use crate::tables::rate::{Penalty, Rate};
use crate::tokens::key::{Algorithm, Issuer};
use portcullis_model::Limit;

/// The handling of one more connection of a user at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUserFull {
    /// The server pings all connections of the user. If one does not answer, it ends and the new
    /// one is admitted; otherwise the new one is rejected. So clients that lost their network
    /// reconnect at once, and no client that answers is disconnected.
    #[default]
    EvictSilent,
    /// It is rejected.
    Reject,
    /// It is admitted, and the oldest one ends.
    EvictOldest,
}

/// The options of the gate. The defaults are the documented ones.
#[derive(Debug, Clone)]
pub struct GateOptions {
    /// The names of this server, as in `Host`, with the port.
    pub hosts: Vec<String>,
    /// Pages that may connect: `scheme://host[:port]`, exact bytes.
    pub origins: Vec<String>,
    /// The proxies that are trusted to report the address of the client.
    pub proxies: ProxyRules,
    /// Where the dashboard of administrators exists.
    pub dashboard: DashboardRules,
    /// What a socket without an `Origin` needs.
    pub without_origin: WithoutOrigin,
    /// Whether long-polling is offered.
    pub polling: bool,
    /// What a request of a long-polling session from another address needs.
    pub polling_binding: PollingBinding,
    /// Connection attempts of one address prefix. A rejected attempt is not charged, and one on
    /// which a user signs in is refunded: it counts toward the user, by `namespace_per_user`.
    pub connect_per_prefix: Rate,
    /// The same for returning clients, and per user.
    pub connect_known_per_prefix: Rate,
    /// Connection attempts of all unauthenticated clients.
    pub connect_total: Rate,
    /// TLS handshakes of one address prefix.
    pub tls_per_prefix: Rate,
    /// TLS handshakes in all.
    pub tls_total: Rate,
    /// Page and API requests of one address prefix; a rejected one is not charged.
    pub request_per_prefix: Rate,
    /// Logins and registrations of one address prefix. A login with the right password is refunded,
    /// up to ten times the rate.
    pub login_per_prefix: Rate,
    /// Logins to one user name from unknown devices.
    pub login_per_user: Rate,
    /// Failed logins to one user name over a longer time, against slow guessing.
    pub login_failed_per_user: Rate,
    /// Wrong one-time codes of one account, over a longer time.
    pub code_failed_per_user: Rate,
    /// Logins and registrations in all.
    pub login_total: Rate,
    /// Tickets of one user.
    pub ticket_per_user: Rate,
    /// All events of one user, on all connections.
    pub message_per_user: Rate,
    /// All events of one connection.
    pub message_per_connection: Rate,
    /// All events of one address prefix.
    pub message_per_prefix: Rate,
    /// All events.
    pub message_total: Rate,
    /// Bytes received on one connection; above the rate it is not read for a while.
    pub bytes_per_connection: Rate,
    /// The same of one user.
    pub bytes_per_user: Rate,
    /// The same of one address prefix.
    pub bytes_per_prefix: Rate,
    /// The same of all.
    pub bytes_total: Rate,
    /// CONNECT and DISCONNECT packets of one connection; above the rate the connection ends.
    pub namespace_per_connection: Rate,
    /// The same of one user, on all connections.
    pub namespace_per_user: Rate,
    /// Signature checks that one open connection causes; a repeated token needs none.
    pub signature_per_connection: Rate,
    /// Signature checks of one user's credentials, over HTTP and on all connections.
    pub signature_per_user: Rate,
    /// Violations of one address prefix by unauthenticated clients; above the rate it is blocked.
    pub penalty_per_prefix: Rate,
    /// Violations of one user; above the rate the user is blocked.
    pub penalty_per_user: Rate,
    /// How long a block lasts.
    pub penalty: Penalty,
    /// One event of one user, in place of the declared rate.
    pub event_per_user: Vec<(String, Rate)>,
    /// How many connections there may be, in all and of one address prefix.
    pub capacity: CapacityOptions,
    /// Connections of one user.
    pub connections_per_user: u32,
    /// What happens to one more connection of a user.
    pub when_user_full: WhenUserFull,
    /// Limits in observe mode, by name: they count what they would have rejected.
    pub observe: Vec<String>,
    /// The key of admission tokens; none means a random key of the process.
    pub admission_key: Option<AdmissionKey>,
    /// Rooms of one connection.
    pub rooms_per_connection: u32,
    /// The load that is pinned, whatever is measured.
    pub load: Option<LoadState>,
    /// Largest message, in bytes.
    pub message_max_bytes: u32,
    /// Keys in each rate table; 48 bytes each over the three tables.
    pub rate_keys_max: usize,
    /// The issuers whose tokens are accepted.
    pub issuers: Vec<Issuer>,
    /// Algorithms of issuers whose keys arrive later, by [`Gate::replace_keys`].
    ///
    /// [`Gate::replace_keys`]: crate::Gate::replace_keys
    pub expected_algorithms: Vec<Algorithm>,
    /// Whether every token needs a proof of the client's key, so that sockets open with tickets
    /// only. A token of another issuer that is bound to no key is bound to the first one here.
    pub proof_required: bool,
    /// Which users need a second factor.
    pub second_factor: SecondFactorRule,
    /// How long a connection lasts after a login.
    pub session_timeouts: SessionTimeouts,
    /// Roles of the operator, and permissions beside those that events declare.
    pub roles: RoleRules,
    /// How copies of messages are recognized, beside what events declare.
    pub replay: ReplayRules,
    /// Whether safe formatting includes `https:` links.
    pub links_allowed: bool,
    /// What happens to markup that is not formatting.
    pub markup: Markup,
    /// What happens to markup that would run as a script.
    pub malicious: Malicious,
    /// Which texts are spam.
    pub spam: SpamOptions,
    /// Options that weaken a stage; none by default.
    pub danger: Danger,
}

const MINUTE_MS: u64 = 60_000;

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            origins: Vec::new(),
            proxies: ProxyRules::default(),
            dashboard: DashboardRules::default(),
            without_origin: WithoutOrigin::Reject,
            polling: true,
            polling_binding: PollingBinding::default(),
            connect_per_prefix: Rate::per(10, MINUTE_MS),
            connect_known_per_prefix: Rate::per(240, MINUTE_MS),
            connect_total: Rate::per(500, 1_000),
            tls_per_prefix: Rate::per(600, MINUTE_MS),
            tls_total: Rate::per(500, 1_000),
            request_per_prefix: Rate::per(1_800, MINUTE_MS),
            login_per_prefix: Rate::per(20, MINUTE_MS),
            login_per_user: Rate::per(10, MINUTE_MS),
            login_failed_per_user: Rate::per(100, 24 * 60 * MINUTE_MS),
            code_failed_per_user: Rate::per(20, 24 * 60 * MINUTE_MS),
            login_total: Rate::per(100, 1_000),
            ticket_per_user: Rate::per(60, MINUTE_MS),
            message_per_user: Rate::per(100, MINUTE_MS),
            message_per_connection: Rate::per(100, MINUTE_MS),
            message_per_prefix: Rate::per(3_000, MINUTE_MS),
            message_total: Rate::per(200_000, 1_000),
            bytes_per_connection: Rate::per(1024 * 1024, 10_000),
            bytes_per_user: Rate::per(4 * 1024 * 1024, 10_000),
            bytes_per_prefix: Rate::per(32 * 1024 * 1024, 10_000),
            bytes_total: Rate::per(256 * 1024 * 1024, 1_000),
            namespace_per_connection: Rate::per(60, MINUTE_MS),
            namespace_per_user: Rate::per(240, MINUTE_MS),
            signature_per_connection: Rate::per(60, MINUTE_MS),
            signature_per_user: Rate::per(1_200, MINUTE_MS),
            penalty_per_prefix: Rate::per(100, MINUTE_MS),
            penalty_per_user: Rate::per(20, MINUTE_MS),
            penalty: Penalty::default(),
            event_per_user: Vec::new(),
            capacity: CapacityOptions::default(),
            connections_per_user: 5,
            when_user_full: WhenUserFull::default(),
            observe: Vec::new(),
            admission_key: None,
            rooms_per_connection: 128,
            load: None,
            message_max_bytes: 10 * 1024,
            rate_keys_max: 262_144,
            issuers: Vec::new(),
            expected_algorithms: Vec::new(),
            proof_required: false,
            second_factor: SecondFactorRule::default(),
            session_timeouts: SessionTimeouts::default(),
            roles: RoleRules::default(),
            replay: ReplayRules::default(),
            links_allowed: false,
            markup: Markup::default(),
            malicious: Malicious::default(),
            spam: SpamOptions::default(),
            danger: Danger::default(),
        }
    }
}

impl GateOptions {
    /// Every rate by its limit, without [`GateOptions::event_per_user`].
    #[must_use]
    pub fn rates(&self) -> Vec<(Limit, Rate)> {
        vec![
            (Limit::ConnectPerPrefix, self.connect_per_prefix),
            (Limit::ConnectKnownPerPrefix, self.connect_known_per_prefix),
            (Limit::ConnectTotal, self.connect_total),
            (Limit::TlsPerPrefix, self.tls_per_prefix),
            (Limit::TlsTotal, self.tls_total),
            (Limit::RequestPerPrefix, self.request_per_prefix),
            (Limit::LoginPerPrefix, self.login_per_prefix),
            (Limit::LoginPerUser, self.login_per_user),
            (Limit::LoginFailedPerUser, self.login_failed_per_user),
            (Limit::CodeFailedPerUser, self.code_failed_per_user),
            (Limit::LoginTotal, self.login_total),
            (Limit::TicketPerUser, self.ticket_per_user),
            (Limit::MessagePerConnection, self.message_per_connection),
            (Limit::MessagePerUser, self.message_per_user),
            (Limit::MessagePerPrefix, self.message_per_prefix),
            (Limit::MessageTotal, self.message_total),
            (Limit::BytesPerConnection, self.bytes_per_connection),
            (Limit::BytesPerUser, self.bytes_per_user),
            (Limit::BytesPerPrefix, self.bytes_per_prefix),
            (Limit::BytesTotal, self.bytes_total),
            (Limit::NamespacePerConnection, self.namespace_per_connection),
            (Limit::NamespacePerUser, self.namespace_per_user),
            (Limit::SignaturePerConnection, self.signature_per_connection),
            (Limit::SignaturePerUser, self.signature_per_user),
            (Limit::PenaltyPerPrefix, self.penalty_per_prefix),
            (Limit::PenaltyPerUser, self.penalty_per_user),
        ]
    }
}
