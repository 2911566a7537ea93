//! Facts that only the running server knows, for its checks.
//! Never: a fact that a file or a connection shows as well.

use std::collections::BTreeMap;

use portcullis_audit::SilenceRequest;
use portcullis_guard::LoadState;
use portcullis_model::Now;
use portcullis_server::Services;

use crate::channel::channels::ChannelState;

/// Facts that only the running server knows.
#[derive(Debug, Clone, Default)]
pub struct LiveFacts {
    /// The load level that an operator has pinned, and the milliseconds until the pin ends.
    pub pin: Option<(&'static str, Option<u64>)>,
    /// The silences in force, by id.
    pub silences: Vec<(u64, SilenceRequest)>,
    /// The state of each channel that gets messages.
    pub channels: Vec<ChannelState>,
    /// The last delivery of each channel, in milliseconds since 1970.
    pub delivered: BTreeMap<String, i64>,
    /// The time since the start of the server, in milliseconds.
    pub uptime_ms: u64,
}

impl LiveFacts {
    /// Reads the facts of a server, without those of its channels.
    pub(crate) fn read(services: &Services, started: Now) -> Self {
        let (limits, now) = (services.gate.limits(), services.clock.now());
        let silences = services.audit.alerts().map(|alerts| alerts.silences()).unwrap_or_default();
        let pin = limits.pinned_load();
        Self {
            pin: pin.map(|state| (LoadState::name(state), limits.pinned_for_ms(now))),
            silences: silences.into_iter().map(|silence| (silence.id, silence.request)).collect(),
            uptime_ms: now.monotonic_ms.saturating_sub(started.monotonic_ms),
            ..Self::default()
        }
    }
}
