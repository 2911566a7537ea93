//! The file's sections, as they stand there.
//! Never: defaults; what is absent is `None`, and the profile decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) profile: Option<String>,
    pub(crate) listen: Listen,
    pub(crate) tls: Tls,
    pub(crate) transport: Transport,
    pub(crate) origin: Origin,
    pub(crate) token: Token,
    pub(crate) capacity: Capacity,
    pub(crate) rate: Rate,
    pub(crate) message: Message,
    pub(crate) store: Store,
    pub(crate) accounts: Accounts,
    pub(crate) audit: Audit,
    pub(crate) danger: Danger,
}

/// `[listen]`: where the server can be reached.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// Where clients connect; `127.0.0.1:8443`.
    pub(crate) public: Option<SocketAddr>,
    /// Health and metrics, for operators; `127.0.0.1:9443`.
    pub(crate) private: Option<SocketAddr>,
    /// Threads that carry connections; one a core.
    pub(crate) shards: Option<usize>,
    /// Not available in this version.
    pub(crate) trusted_proxies: Option<Vec<String>>,
}

/// `[tls]`: which certificate is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// `development`, `files` or `off`.
    pub(crate) mode: Option<String>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

/// `[transport]`: how connections live. Answers slow and silent peers (T-181, T-190, T-229).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Transport {
    pub(crate) websocket: Option<bool>,
    pub(crate) polling: Option<bool>,
    pub(crate) ping_interval_ms: Option<u64>,
    pub(crate) ping_timeout_ms: Option<u64>,
    pub(crate) connect_timeout_ms: Option<u64>,
    pub(crate) handshake_timeout_ms: Option<u64>,
    pub(crate) assembly_timeout_ms: Option<u64>,
    pub(crate) write_stall_ms: Option<u64>,
}

/// `[origin]`: which pages may connect. Answers cross-site hijacking (T-001 to T-012).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Origin {
    pub(crate) allowed: Option<Vec<String>>,
    /// `refuse` or `token`.
    pub(crate) without_origin: Option<String>,
}

/// `[token]`: whose tokens are believed beside our own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Token {
    pub(crate) issuer: Vec<Issuer>,
}

/// `[[token.issuer]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) algorithm: String,
    #[serde(default)]
    pub(crate) secret_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) jwks_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) jwks_url: Option<String>,
}

/// `[capacity]`: how many. Answers exhaustion (T-083 to T-087).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Capacity {
    pub(crate) connections_total: Option<u32>,
    pub(crate) connections_per_user: Option<u32>,
    pub(crate) pre_auth_total: Option<u32>,
    pub(crate) rooms_per_user: Option<u32>,
    pub(crate) members_per_room: Option<u32>,
}

/// `[rate]`: how often, as `count/period`. Answers floods (T-070 to T-081).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rate {
    pub(crate) connect_per_prefix: Option<String>,
    pub(crate) request_per_prefix: Option<String>,
    pub(crate) login_per_prefix: Option<String>,
    pub(crate) login_per_user: Option<String>,
    pub(crate) message_per_user: Option<String>,
    pub(crate) message_per_connection: Option<String>,
    pub(crate) event_per_user: BTreeMap<String, String>,
}

/// `[message]`: how large. Answers oversized messages (T-090).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Message {
    pub(crate) size_max_bytes: Option<u32>,
    pub(crate) links: Option<bool>,
}

/// `[store]`: where it is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite:PATH`.
    pub(crate) url: Option<String>,
}

/// `[accounts]`: who may sign up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Accounts {
    pub(crate) enabled: Option<bool>,
    /// `open` or `closed`.
    pub(crate) registration: Option<String>,
    /// The issuer our own tokens name.
    pub(crate) issuer: Option<String>,
}

/// `[audit]`: where security records go. They cannot be switched off: one place has to stay.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    pub(crate) file: Option<PathBuf>,
    pub(crate) stdout: Option<bool>,
}

/// `[danger]`: what weakens a promise; each key is logged at start.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Danger {
    /// Plain text, or the development profile, on an address others can reach.
    pub(crate) plaintext_off_loopback: bool,
}
