//! The limits of the configuration that bound what a server carries.
//! Never: a limit of one client, except where all clients together reach it.

use portcullis_guard::{Action, Rate};
use serde::Serialize;

use super::slopes::Encryption;
use crate::config::{Settings, TlsSettings};

/// The event whose messages are stored.
pub(crate) const STORED_EVENT: &str = "chat:send";

/// The limits of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Caps {
    pub(crate) shards: u64,
    /// Whether the server itself encrypts connections.
    pub(crate) tls: bool,
    pub(crate) ping_interval_ms: u64,
    pub(crate) connections_total: f64,
    pub(crate) users_total: f64,
    pub(crate) members_per_room: u64,
    pub(crate) rates: RateCaps,
    /// The memory limit of the configuration.
    pub(crate) memory_bytes: Option<u64>,
    /// Addresses of trusted proxies; a network counts as one.
    pub(crate) proxies: u64,
}

/// Rates of the configuration, in a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RateCaps {
    pub(crate) messages_per_s: f64,
    pub(crate) bytes_per_s: f64,
    pub(crate) user_messages_per_s: f64,
    /// The rate of [`STORED_EVENT`] for each user, if it has one.
    pub(crate) user_stored_per_s: Option<f64>,
    pub(crate) connects_per_s: f64,
}

impl Caps {
    pub(crate) fn of(settings: &Settings, actions: &[Action]) -> Self {
        let stored = actions.iter().find(|action| action.event == STORED_EVENT);
        let (gate, server) = (&settings.gate, &settings.server);
        let memory = server.memory_limit_bytes;
        Self {
            shards: server.shards as u64,
            tls: settings.tls != TlsSettings::Off,
            ping_interval_ms: server.ping_interval_ms,
            connections_total: f64::from(gate.capacity.total),
            users_total: settings.directory.users_max as f64,
            members_per_room: u64::from(settings.chat.members_per_room_max),
            rates: RateCaps {
                messages_per_s: per_second(gate.message_total),
                bytes_per_s: per_second(gate.bytes_total),
                user_messages_per_s: per_second(gate.message_per_user),
                user_stored_per_s: stored.and_then(|action| action.rate).map(per_second),
                connects_per_s: per_second(gate.connect_total),
            },
            memory_bytes: (memory > 0).then_some(memory),
            proxies: gate.proxies.trusted.len() as u64,
        }
    }

    pub(crate) fn encryption(&self) -> Encryption {
        if self.tls { Encryption::Tls } else { Encryption::Off }
    }
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.count) * 1_000.0 / rate.period_ms.max(1) as f64
}
