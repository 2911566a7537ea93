//! `[transport]`: timeouts of connections (slow and silent peers, T-105, T-183, T-229, T-240).
//! Never: a wait without a timeout.

use portcullis_guard::{GateOptions, PollingBinding};
use portcullis_server::Options;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::development;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::read::number::within;

/// `[transport]`; every time in milliseconds, from 10 to an hour.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TransportSection {
    /// Whether WebSocket is offered; it cannot be switched off.
    websocket: Option<bool>,
    /// Whether long-polling is offered, from which clients upgrade to a WebSocket.
    polling: Option<bool>,
    /// What a request from another address must share with a long-polling session: the `address`,
    /// the `network` (IPv4 /24, IPv6 /48), or the bearer `token`.
    #[schemars(extend("enum" = ["address", "network", "token"]))]
    polling_binding: Option<String>,
    /// Whether messages are compressed (permessage-deflate). The length of a compressed message can
    /// reveal a secret beside text of other users.
    compression: Option<bool>,
    /// Milliseconds between two pings.
    #[schemars(range(min = 10, max = 3600000))]
    ping_interval_ms: Option<u64>,
    /// Milliseconds without a pong after which the connection ends.
    #[schemars(range(min = 10, max = 3600000))]
    ping_timeout_ms: Option<u64>,
    /// Milliseconds from the upgrade to an accepted CONNECT.
    #[schemars(range(min = 10, max = 3600000))]
    connect_timeout_ms: Option<u64>,
    /// Milliseconds for the TLS handshake, for the head of a request, and for its body, each.
    #[schemars(range(min = 10, max = 3600000))]
    handshake_timeout_ms: Option<u64>,
    /// Milliseconds from the first byte of these stages without a minimum receive rate.
    #[schemars(range(min = 10, max = 3600000))]
    receive_grace_ms: Option<u64>,
    /// The minimum receive rate after that, in bytes a second on average.
    #[schemars(range(min = 1, max = 1000000))]
    receive_min_bytes_per_s: Option<u64>,
    /// Milliseconds from the first to the last frame of one message.
    #[schemars(range(min = 10, max = 3600000))]
    assembly_timeout_ms: Option<u64>,
    /// Milliseconds without progress of a write after which the connection ends.
    #[schemars(range(min = 10, max = 3600000))]
    write_stall_ms: Option<u64>,
}

impl TransportSection {
    /// The options of the gate for long-polling.
    pub(crate) fn read_gate(&self, profile: Profile) -> Result<GateOptions, ConfigError> {
        let (polling, polling_binding) = (self.polling(profile), self.polling_binding()?);
        Ok(GateOptions { polling, polling_binding, ..development::defaults(profile) })
    }

    /// Whether long-polling is offered.
    fn polling(&self, profile: Profile) -> bool {
        self.polling.unwrap_or(match profile {
            Profile::Development | Profile::Production => true,
            Profile::Strict => false,
        })
    }

    /// The binding of requests from another address to a long-polling session.
    fn polling_binding(&self) -> Result<PollingBinding, ConfigError> {
        match self.polling_binding.as_deref() {
            None | Some("address") => Ok(PollingBinding::Address),
            Some("network") => Ok(PollingBinding::Network),
            Some("token") => Ok(PollingBinding::Token),
            Some(other) => {
                let mend = "write \"address\", \"network\" or \"token\"";
                Err(ConfigError::no_such_choice("transport.polling_binding", other, mend))
            }
        }
    }

    /// Sets the timeouts.
    pub(crate) fn read(&self, options: Options) -> Result<Options, ConfigError> {
        if self.websocket == Some(false) {
            let mend = "remove it; polling clients upgrade to it";
            return Err(ConfigError::unavailable("transport.websocket", "false", mend));
        }
        let time = |key: &str, value, default| {
            within(&format!("transport.{key}"), value, default, 10..=3_600_000)
        };
        let ping_interval_ms = options.ping_interval_ms;
        let ping_timeout_ms = options.ping_timeout_ms;
        let connect_ms = options.connect_timeout_ms;
        let handshake_ms = options.handshake_timeout_ms;
        let grace_ms = options.receive_grace_ms;
        let assembly_ms = options.assembly_timeout_ms;
        let stall_ms = options.write_stall_ms;
        Ok(Options {
            compression: self.compression.unwrap_or(options.compression),
            ping_interval_ms: time("ping_interval_ms", self.ping_interval_ms, ping_interval_ms)?,
            ping_timeout_ms: time("ping_timeout_ms", self.ping_timeout_ms, ping_timeout_ms)?,
            connect_timeout_ms: time("connect_timeout_ms", self.connect_timeout_ms, connect_ms)?,
            handshake_timeout_ms: time(
                "handshake_timeout_ms",
                self.handshake_timeout_ms,
                handshake_ms,
            )?,
            receive_grace_ms: time("receive_grace_ms", self.receive_grace_ms, grace_ms)?,
            receive_min_bytes_per_s: within(
                "transport.receive_min_bytes_per_s",
                self.receive_min_bytes_per_s,
                options.receive_min_bytes_per_s,
                1..=1_000_000,
            )?,
            assembly_timeout_ms: time(
                "assembly_timeout_ms",
                self.assembly_timeout_ms,
                assembly_ms,
            )?,
            write_stall_ms: time("write_stall_ms", self.write_stall_ms, stall_ms)?,
            ..options
        })
    }
}
