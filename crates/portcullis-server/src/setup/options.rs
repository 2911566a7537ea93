//! Plain numbers the engine runs by.
//! Never: read from a file here; the binary does that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::ReferenceKey;
use portcullis_model::limits;
use portcullis_wire::engineio::SessionOptions;

use crate::load::admission_queue::QueueLimits;
use crate::setup::operator_keys::OperatorKeys;

/// How the engine runs. Every time is in milliseconds.
#[derive(Clone)]
pub struct Options {
    /// Where clients connect.
    pub public: SocketAddr,
    /// Where operators read health and metrics; nothing listens when `None`.
    pub private: Option<SocketAddr>,
    /// Where load balancers and orchestrators ask for health and readiness, and nothing else;
    /// nothing listens when `None`.
    pub probe: Option<SocketAddr>,
    /// Names of `private` beside IP addresses and `localhost`, as `Host` spells them.
    pub private_hosts: Vec<String>,
    /// Where pages asked for in plain text are led on to `public`; nothing listens when `None`.
    pub redirect: Option<SocketAddr>,
    /// What an operator's program shows on the private listener to change something; without it,
    /// being on this machine is enough.
    pub operator_keys: Option<OperatorKeys>,
    /// The key of references; without it, one that lasts as long as the process.
    ///
    /// It also marks the ids of long-polling sessions. A server whose key lasts as long as the
    /// process does not recognize the ids of sessions that ended with a crash.
    pub reference_key: Option<ReferenceKey>,
    /// Keys that were the reference key before: ids of sessions with their mark are recognized.
    pub former_reference_keys: Vec<ReferenceKey>,
    /// TLS for the public listener; plain text when `None`.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What `Strict-Transport-Security` says to browsers (RFC 6797); it is not sent when `None`.
    pub hsts: Option<StrictTransport>,
    /// Whether the operator's own proxies say whose connection they hand on.
    pub proxy_protocol: ProxyProtocol,
    /// Threads that carry connections, each with its own listener.
    pub shards: usize,
    /// Between two pings.
    pub ping_interval_ms: u64,
    /// Without a pong for this long the connection ends.
    pub ping_timeout_ms: u64,
    /// From the upgrade to an accepted CONNECT.
    pub connect_timeout_ms: u64,
    /// For TLS, for a request head, for a request body, each.
    pub handshake_timeout_ms: u64,
    /// How long such a peer may take its time, from its first byte on.
    pub receive_grace_ms: u64,
    /// Bytes a second it has to deliver after that, on the average.
    pub receive_min_bytes_per_s: u64,
    /// Largest message, in bytes of payload.
    pub message_max_bytes: u32,
    /// From the first to the last frame of one message.
    pub assembly_timeout_ms: u64,
    /// Bytes that may wait for one connection: worst case per connection.
    pub outbox_max_bytes: usize,
    /// Frames that may wait for one connection.
    pub outbox_max_messages: usize,
    /// A write that makes no progress for this long ends the connection.
    pub write_stall_ms: u64,
    /// The deadline of an event or CONNECT: pending changes of the handler are cancelled then. A
    /// handler that runs a quarter of a second longer is dropped, and its outcome is unknown.
    pub handler_timeout_ms: u64,
    /// A closing handshake, from our close frame to the end of the socket.
    pub close_timeout_ms: u64,
    /// From the signal to stop to the end of the last connection.
    pub drain_ms: u64,
    /// TCP connections one shard holds in the HTTP stage or closing, at most.
    pub http_connections_max: usize,
    /// Memory the server may use, in bytes; 0 is what its control group or the machine has.
    pub memory_limit_bytes: u64,
    /// Files the process may have open; 0 is what the system says at the start.
    pub files_max: u64,
    /// How many connections and log-ins may wait for a slot, and how long.
    pub queue_limits: QueueLimits,
    /// Largest body of an HTTP request.
    pub body_max_bytes: usize,
    /// Largest body of a long-polling request or answer.
    pub polling_max_bytes: usize,
    /// What the answer to a CONNECT holds.
    pub connect_answer: ConnectAnswer,
    /// Whether pages of other allowed origins may send this server's cookies along.
    pub credentials: Credentials,
    /// Whether permessage-deflate is agreed to. What a compressed message hides in its length can
    /// be guessed by who may add to it (CRIME), so it is off unless all of that is yours.
    pub compression: bool,
    /// WebSocket subprotocols the server knows; the first one a client offers is selected.
    pub subprotocols: Vec<String>,
}

/// What `Strict-Transport-Security` says (RFC 6797 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrictTransport {
    /// How long browsers use HTTPS only, in seconds; 0 removes the policy.
    pub max_age_s: u64,
    /// Whether that holds for all subdomains of the name.
    pub include_subdomains: bool,
    /// Whether the name asks to be built into browsers, which is hard to undo.
    pub preload: bool,
}

impl Default for StrictTransport {
    /// Two years, with subdomains (ASVS 5.0, 3.4.1).
    fn default() -> Self {
        Self { max_age_s: 63_072_000, include_subdomains: true, preload: false }
    }
}

/// Whether the operator's own proxies say, before all else, whose connection they hand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyProtocol {
    /// They do not: it would be the client's word.
    #[default]
    Off,
    /// They do, in version 1 or 2 of the PROXY protocol; one that does not is refused.
    Required,
}

/// What the answer to a CONNECT holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectAnswer {
    /// `sid`, the nonce for signed messages, the server's time; refusals with code and reference.
    #[default]
    Full,
    /// What the Socket.IO protocol asks for and nothing else, for tests of that protocol.
    Bare,
}

/// Whether pages of other allowed origins may send this server's cookies along (CORS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credentials {
    /// They may not; a page of this server itself always may.
    #[default]
    Kept,
    /// They may: for a page of the same site whose log-in is to be prolonged by cookie.
    Allowed,
}

/// How long after its deadline a handler may still say how its request ended.
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

    /// What one Engine.IO session runs by.
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
