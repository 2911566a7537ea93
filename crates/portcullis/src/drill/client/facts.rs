//! Facts about the server from its configuration and its keys.
//! Never: a secret in a report.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use portcullis_model::Secret;
use rustls::ClientConfig;

/// Most violations that a drill causes.
pub(crate) const VIOLATIONS_MAX: u32 = 150;

/// The facts that the cases need.
pub(crate) struct Facts {
    /// A page that can connect, from `origin.allowed`.
    pub(crate) page: String,
    pub(crate) limits: LimitFacts,
    pub(crate) timeouts: TimeoutFacts,
    /// The block after violations; `None` if the operator has not permitted the case.
    pub(crate) block: Option<BlockFacts>,
    pub(crate) tls: TlsFacts,
    pub(crate) tokens: TokenFacts,
    /// The networks of `listen.trusted_proxies`.
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) polling: bool,
    pub(crate) dashboard: DashboardFact,
}

impl Facts {
    /// Whether an address is one of `listen.trusted_proxies`.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// The limits that cases go beyond.
pub(crate) struct LimitFacts {
    /// `rate.connect_per_prefix`: how many connect at once.
    pub(crate) connects: u32,
    pub(crate) is_observed: bool,
    /// The largest WebSocket message.
    pub(crate) message_max_bytes: u32,
    pub(crate) body_max_bytes: usize,
}

/// How long the server waits for a slow client.
pub(crate) struct TimeoutFacts {
    /// `transport.handshake_timeout_ms`.
    pub(crate) handshake: Duration,
    /// `transport.connect_timeout_ms`.
    pub(crate) connect: Duration,
}

/// The block of an address after violations.
pub(crate) struct BlockFacts {
    /// `rate.penalty_per_prefix`: how many violations are permitted at once.
    pub(crate) violations: u32,
    pub(crate) is_observed: bool,
    /// `rate.penalty_s`.
    pub(crate) length: Duration,
    /// The command that lifts the block.
    pub(crate) unlock: UnlockCommand,
}

impl BlockFacts {
    /// Whether the violations of a drill lead to a block.
    pub(crate) fn is_in_reach(&self) -> bool {
        self.violations < VIOLATIONS_MAX
    }
}

/// The command that lifts the limits of an address.
#[derive(Debug, Clone)]
pub(crate) struct UnlockCommand {
    /// The arguments that name the server, such as `--config portcullis.toml`; can be empty.
    pub(crate) server: String,
}

impl UnlockCommand {
    /// The command for an address, as the operator writes it.
    pub(crate) fn of(&self, address: IpAddr) -> String {
        let command = format!("portcullis limits unlock {}", address.to_canonical());
        if self.server.is_empty() { command } else { format!("{command} {}", self.server) }
    }
}

/// TLS as clients use it.
pub(crate) struct TlsFacts {
    /// Verifies the certificate as a client does.
    pub(crate) verified: Arc<ClientConfig>,
    /// Accepts every certificate; the case about certificates decides.
    pub(crate) unverified: Arc<ClientConfig>,
    /// The port for plain text, if one is known.
    pub(crate) plain_port: Option<u16>,
    pub(crate) now_unix_s: i64,
    /// The remedy when the certificate expires soon.
    pub(crate) renewal: &'static str,
}

/// Texts for tokens that a server has to reject, and a token of a test user.
pub(crate) struct TokenFacts {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// Signed by this server, and expired.
    pub(crate) expired: Option<Secret<String>>,
    /// Of a test user, from standard input.
    pub(crate) test: Option<Secret<String>>,
}

/// For which clients the dashboard exists on the host of the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DashboardFact {
    /// For none: it is off, or has a host of its own.
    Absent,
    /// For some networks.
    SomeNetworks,
    /// For every client.
    Everyone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_that_lifts_a_block_names_the_address_and_the_server() {
        let unlock = |server: &str, address: &str| {
            UnlockCommand { server: String::from(server) }.of(address.parse().unwrap())
        };
        for (server, address, expect) in [
            ("", "192.0.2.7", "portcullis limits unlock 192.0.2.7"),
            ("", "::ffff:192.0.2.7", "portcullis limits unlock 192.0.2.7"),
            ("--data d", "2001:db8::7", "portcullis limits unlock 2001:db8::7 --data d"),
        ] {
            assert_eq!(unlock(server, address), expect);
        }
    }
}
