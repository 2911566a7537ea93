//! The options of the engine.
//! Never: a configuration file; the binary reads it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::ReferenceKey;
use portcullis_model::limits;
use portcullis_wire::engineio::SessionOptions;

use crate::listen::pending_challenges::PendingChallenges;
use crate::load::admission_queue::QueueLimits;
use crate::setup::operator_keys::OperatorKeys;

/// The options of the engine. Every time is in milliseconds.
#[derive(Clone)]
pub struct Options {
    /// The address of the public listener, for clients.
    pub public: SocketAddr,
    /// The address of the private listener, for operators; no listener when `None`.
    pub private: Option<SocketAddr>,
    /// The address at which load balancers and orchestrators read health and readiness only; no
    /// listener when `None`.
    pub probe: Option<SocketAddr>,
    /// Permitted `Host` names of `private` beside IP addresses and `localhost`.
    pub private_hosts: Vec<String>,
    /// The address at which plain-text requests are redirected to `public`; no listener when
    /// `None`.
    pub redirect: Option<SocketAddr>,
    /// The keys of operators' programs for operations on the private listener. Without keys, any
    /// program on this machine may perform them.
    pub operator_keys: Option<OperatorKeys>,
    /// The key of references; without one, the process makes its own.
    ///
    /// It also marks the ids of long-polling sessions. A server whose key lasts as long as the
    /// process does not recognize the ids of sessions that ended with a crash.
    pub reference_key: Option<ReferenceKey>,
    /// Former reference keys: ids of sessions with their mark are recognized.
    pub former_reference_keys: Vec<ReferenceKey>,
    /// TLS for the public listener; plain text when `None`.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Challenges of a certificate authority, answered on `public` and `redirect` while they are
    /// pending; empty by default.
    pub challenges: PendingChallenges,
    /// The value of `Strict-Transport-Security` (RFC 6797); the header is not sent when `None`.
    pub hsts: Option<StrictTransport>,
    /// Whether the operator's proxies send the client's address by the PROXY protocol.
    pub proxy_protocol: ProxyProtocol,
    /// Threads that carry connections, each with its own listener.
    pub shards: usize,
    /// The interval between two pings.
    pub ping_interval_ms: u64,
    /// Without a pong for this long, the connection ends.
    pub ping_timeout_ms: u64,
    /// From the upgrade to an accepted CONNECT.
    pub connect_timeout_ms: u64,
    /// The timeout of a TLS handshake, of a request head, and of a request body.
    pub handshake_timeout_ms: u64,
    /// The grace period before the minimum receive rate applies, from the first byte on.
    pub receive_grace_ms: u64,
    /// The minimum receive rate, in bytes a second on average.
    pub receive_min_bytes_per_s: u64,
    /// The largest message, in bytes of payload.
    pub message_max_bytes: u32,
    /// From the first to the last frame of one message.
    pub assembly_timeout_ms: u64,
    /// Bytes that may be queued for one connection.
    pub outbox_max_bytes: usize,
    /// Frames that may be queued for one connection.
    pub outbox_max_messages: usize,
    /// A write that makes no progress for this long ends the connection.
    pub write_stall_ms: u64,
    /// The deadline of an event or CONNECT: pending changes of the handler are cancelled then. A
    /// handler that runs a quarter of a second longer is dropped, and its outcome is unknown.
    pub handler_timeout_ms: u64,
    /// The timeout of a closing handshake, from the close frame to the end of the socket.
    pub close_timeout_ms: u64,
    /// The timeout of a drain, from the stop signal to the end of the last connection.
    pub drain_ms: u64,
    /// The most TCP connections of one shard in the HTTP stage, and the most closing ones.
    pub http_connections_max: usize,
    /// Memory that the server may use, in bytes; 0 for the limit of its control group or machine.
    pub memory_limit_bytes: u64,
    /// Files that the process may have open; 0 for the limit of the system at the start.
    pub files_max: u64,
    /// The capacity and the timeouts of the admission queues.
    pub queue_limits: QueueLimits,
    /// The largest body of an HTTP request, in bytes.
    pub body_max_bytes: usize,
    /// The largest body of a long-polling request or response, in bytes.
    pub polling_max_bytes: usize,
    /// The content of the answer to a CONNECT.
    pub connect_answer: ConnectAnswer,
    /// Whether pages of other allowed origins may send this server's cookies.
    pub credentials: Credentials,
    /// Whether permessage-deflate is negotiated. An attacker that adds text to a message can guess
    /// secrets in it from its compressed length (CRIME), so the default is off.
    pub compression: bool,
    /// WebSocket subprotocols of the server; the first one that a client offers is selected.
    pub subprotocols: Vec<String>,
}

/// The value of `Strict-Transport-Security` (RFC 6797 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrictTransport {
    /// How long browsers use HTTPS only, in seconds; 0 removes the policy.
    pub max_age_s: u64,
    /// Whether the policy applies to all subdomains.
    pub include_subdomains: bool,
    /// Whether the domain requests inclusion in browsers, which is hard to undo.
    pub preload: bool,
}

impl Default for StrictTransport {
    /// Two years, with subdomains (ASVS 5.0, 3.4.1).
    fn default() -> Self {
        Self { max_age_s: 63_072_000, include_subdomains: true, preload: false }
    }
}

/// Whether the operator's proxies send the client's address first, by the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyProtocol {
    /// They do not, and a PROXY header is not read: clients could forge it.
    #[default]
    Off,
    /// They do, in version 1 or 2; a proxy connection without the header is rejected.
    Required,
}

/// The content of the answer to a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectAnswer {
    /// `sid`, the nonce for signed messages, the server's time; denials with code and reference.
    #[default]
    Full,
    /// Only the requirements of the Socket.IO protocol, for tests of that protocol.
    Bare,
}

/// Whether pages of other allowed origins may send this server's cookies (CORS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credentials {
    /// They may not; pages of this server always may.
    #[default]
    Kept,
    /// They may, for pages of the same site that refresh a log-in by cookie.
    Allowed,
}

/// The time after its deadline in which a handler may still report its outcome.
const HANDLER_GRACE_MS: u64 = 250;

impl Options {
    /// From the start of a handler to the deadline of its request.
    pub(crate) fn handler_timeout(&self) -> Duration {
        Duration::from_millis(self.handler_timeout_ms)
    }

    /// The time limit of a handler, from its start to its end.
    pub(crate) fn handler_cut_ms(&self) -> u64 {
        self.handler_timeout_ms.saturating_add(HANDLER_GRACE_MS)
    }

    /// The options of an Engine.IO session.
    pub(crate) fn session(&self) -> SessionOptions {
        SessionOptions {
            ping_interval_ms: self.ping_interval_ms,
            ping_timeout_ms: self.ping_timeout_ms,
            connect_timeout_ms: self.connect_timeout_ms,
            unsolicited_pongs_per_minute: 60,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443),
            private: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9443)),
            probe: None,
            private_hosts: Vec::new(),
            redirect: None,
            operator_keys: None,
            reference_key: None,
            former_reference_keys: Vec::new(),
            tls: None,
            challenges: PendingChallenges::default(),
            hsts: Some(StrictTransport::default()),
            proxy_protocol: ProxyProtocol::Off,
            shards: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 10_000,
            handshake_timeout_ms: 10_000,
            receive_grace_ms: 2_000,
            receive_min_bytes_per_s: 500,
            message_max_bytes: 12 * 1024,
            assembly_timeout_ms: 10_000,
            outbox_max_bytes: 1024 * 1024,
            outbox_max_messages: 2048,
            write_stall_ms: 10_000,
            handler_timeout_ms: 2_000,
            close_timeout_ms: 3_000,
            drain_ms: 10_000,
            http_connections_max: 20_000,
            memory_limit_bytes: 0,
            files_max: 0,
            queue_limits: QueueLimits::default(),
            body_max_bytes: 16 * 1024,
            polling_max_bytes: limits::POLLING_BODY_MAX_BYTES,
            connect_answer: ConnectAnswer::Full,
            credentials: Credentials::Kept,
            compression: false,
            subprotocols: vec![String::from("portcullis.v1")],
        }
    }
}
