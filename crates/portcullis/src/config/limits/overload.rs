//! `[overload]`: the memory limit, the load level, and the admission queues (D-1 to D-10).
//! Never: a security check that a load level skips.

use portcullis_guard::{GateOptions, LoadState};
use portcullis_server::{Options, QueueLimits};
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[overload]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OverloadSection {
    /// Memory that the server can use, in MiB; that of the machine or its control group.
    memory_limit_mib: Option<u64>,
    /// The load level: `"auto"` measures it, `"normal"`, `"elevated"`, `"shedding"` and
    /// `"critical"` pin it; `"auto"`.
    state: Option<String>,
    /// Returning clients in the admission queue; 1000. With 0 there is no queue.
    waiting_known: Option<u32>,
    /// Unauthenticated clients in the admission queue; 500.
    waiting_strangers: Option<u32>,
    /// Logins from unknown devices that can wait; 200.
    waiting_logins: Option<u32>,
}

impl OverloadSection {
    pub(crate) fn read(
        &self,
        options: Options,
        gate: GateOptions,
    ) -> Result<(Options, GateOptions), ConfigError> {
        let memory_limit_bytes = self.memory_limit_mib.unwrap_or(0).saturating_mul(1024 * 1024);
        let load = match self.state.as_deref() {
            None | Some("auto") => None,
            Some(name) => Some(LoadState::named(name).ok_or_else(|| {
                let why = "there is no such load level";
                let mend = "write \"auto\", \"normal\", \"elevated\", \"shedding\" or \"critical\"";
                ConfigError::refused("overload.state", format!("{name:?}"), why, mend)
            })?),
        };
        let usual = QueueLimits::default();
        let queue_limits = QueueLimits {
            returning_max: self.waiting_known.unwrap_or(usual.returning_max),
            unauthenticated_max: self.waiting_strangers.unwrap_or(usual.unauthenticated_max),
            logins_max: self.waiting_logins.unwrap_or(usual.logins_max),
            ..usual
        };
        Ok((Options { memory_limit_bytes, queue_limits, ..options }, GateOptions { load, ..gate }))
    }
}
