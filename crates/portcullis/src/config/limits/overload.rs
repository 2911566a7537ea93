//! `[overload]`: what the server is measured by, and which state it keeps to (D-1 to D-10).
//! Never: a check that is skipped in any state.

use portcullis_guard::{GateOptions, LoadState};
use portcullis_server::{Options, QueueLimits};
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[overload]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OverloadSection {
    /// Memory the server may use, in MiB; what the machine or its group has.
    memory_limit_mib: Option<u64>,
    /// A state to keep to whatever is measured: `"normal"`, `"elevated"`, `"shedding"`,
    /// `"critical"`; `"auto"`.
    state: Option<String>,
    /// How many of those who have been here before may wait for a connection: 1,000. Nobody limits
    /// for 0.
    waiting_known: Option<u32>,
    /// The same of strangers: 500.
    waiting_strangers: Option<u32>,
    /// How many log-ins from unknown devices may wait: 200.
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
                let why = "it is no state the server can be in";
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
