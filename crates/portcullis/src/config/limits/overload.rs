//! `[overload]`: the memory limit, the load level, and the admission queues (D-1 to D-10).
//! Never: a security check that a load level skips.

use portcullis_guard::{GateOptions, LoadState};
use portcullis_server::{Options, QueueLimits};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[overload]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OverloadSection {
    /// Memory that the server can use, in MiB.
    #[schemars(extend("x-default-text" = "the memory of the machine, or of its control group"))]
    #[schemars(extend("examples" = [2048]))]
    memory_limit_mib: Option<u64>,
    /// The load level: `auto` measures it, and the other words pin it.
    #[schemars(extend("enum" = ["auto", "normal", "elevated", "shedding", "critical"]))]
    state: Option<String>,
    /// Most entries of the admission queue of returning clients; 0 switches it off.
    waiting_known: Option<u32>,
    /// Most entries of the admission queue of unauthenticated clients; 0 switches it off.
    waiting_strangers: Option<u32>,
    /// Most logins from unknown devices that wait.
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
