//! Options of the alert engine: rules, times, thresholds and the state file.
//! Never: channels; they are sinks.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_model::Clock;

use super::rule::rules::Rules;

/// The options of the alert engine.
#[derive(Clone)]
pub struct AlertOptions {
    /// The rules in force.
    pub rules: Rules,
    /// An alert that was quiet for so many seconds is resolved.
    pub resolve_after_s: u64,
    /// An alert that goes on is sent again after so many seconds.
    pub update_every_s: u64,
    /// More keys of one rule than these become one alert.
    pub storm_keys: usize,
    /// The file that keeps open alerts, silences and what was seen; none keeps them in memory.
    pub state_file: Option<PathBuf>,
    /// The node, in alerts.
    pub node_name: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl AlertOptions {
    /// The defaults, with a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            rules: Rules::default(),
            resolve_after_s: 600,
            update_every_s: 900,
            storm_keys: 20,
            state_file: None,
            node_name: String::new(),
            clock,
        }
    }
}

impl std::fmt::Debug for AlertOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = formatter.debug_struct("AlertOptions");
        shown_parts(shown, self).finish_non_exhaustive()
    }
}

fn shown_parts<'a, 'b>(
    mut shown: std::fmt::DebugStruct<'a, 'b>,
    options: &AlertOptions,
) -> std::fmt::DebugStruct<'a, 'b> {
    shown.field("resolve_after_s", &options.resolve_after_s);
    shown.field("update_every_s", &options.update_every_s);
    shown.field("storm_keys", &options.storm_keys);
    shown
}
